import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createCallbackUrl,
  createCallbackUrls,
  keysOfApiKeys,
  keysOfSecrets,
  readTokens,
} from '../../../src/submit/callback-url.js'

const secret = 'a secret of some length'
const at = Date.parse('2026-11-20T10:00:00Z')
const hour = 3_600_000

function urls(
  target: string | ((token: string) => string) = 'https://app.test/hook?a=1&b=2',
  secrets: readonly string[] = [secret],
  now = at,
) {
  const made = createCallbackUrls(target, keysOfSecrets(secrets), () => now)
  return { read: made.read, write: (ref: string, until: number) => made.write(ref, until, null) }
}

/** The URL as a receiver behind a proxy sees it. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

describe('a callback URL with a token', () => {
  it('proves the reference it was made for, as a whole URL and as path and query', () => {
    const { write, read } = urls()
    const url = write('ref-1', at + hour)
    expect(read?.(url)).toBe('ref-1')
    expect(read?.(pathOf(url))).toBe('ref-1')
  })

  it('keeps the parameters that were there', () => {
    const made = new URL(urls().write('ref-1', at + hour))
    expect([made.searchParams.get('a'), made.searchParams.get('b')]).toEqual(['1', '2'])
  })

  it('proves nothing a second after its expiry, and does so up to it', () => {
    const url = urls().write('ref-1', at + hour)
    expect(urls(undefined, [secret], at + hour).read?.(url)).toBe('ref-1')
    expect(urls(undefined, [secret], at + hour + 1).read?.(url)).toBeNull()
  })

  it('proves nothing when any character of it is changed', () => {
    const { write, read } = urls()
    const url = write('ref-1', at + hour)
    const start = url.indexOf('cq=') + 3
    fc.assert(
      fc.property(
        fc.integer({ min: start, max: url.length - 1 }),
        fc.constantFrom(...'abcXYZ019-_.'),
        (index, character) => {
          const changed = url.slice(0, index) + character + url.slice(index + 1)
          expect(read?.(changed)).toBe(changed === url ? 'ref-1' : null)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['missing', 'https://app.test/hook?a=1'],
    ['empty', 'https://app.test/hook?cq='],
    ['no query at all', '/hook'],
    ['in a fragment', '/hook#cq=x'],
    ['cut short', '/hook?cq=ref-1.abc'],
  ])('proves nothing when the token is %s', (_name, url) => {
    expect(urls().read?.(url)).toBeNull()
  })

  it('proves nothing when the parameter is repeated, even with the same token', () => {
    const { write, read } = urls()
    const url = write('ref-1', at + hour)
    const token = new URL(url).searchParams.get('cq')
    expect(read?.(`${url}&cq=${token}`)).toBeNull()
    expect(read?.(`${url}&cq=`)).toBeNull()
  })

  // Looking for one from each character on takes half a minute here, and a whole core at a hundred URLs of 16 kB a second.
  it.each([
    ['in its parameter', undefined],
    ['in a path', (token: string) => `https://app.test/hook/${token}`],
  ])('is searched %s once, however long the URL is', (_name, target) => {
    const { read } = urls(target)
    expect(read?.(`/hook?cq=${'a'.repeat(20_000_000)}`)).toBeNull()
    expect(read?.(`/hook?cq=${'a'.repeat(64)}.${'b'.repeat(20_000_000)}`)).toBeNull()
  })

  it('is accepted from every configured secret and made with the newest', () => {
    const old = urls(undefined, ['the old secret, long'])
    const both = urls(undefined, ['the new secret, long', 'the old secret, long'])
    const next = urls(undefined, ['the new secret, long'])
    expect(both.read?.(old.write('ref-1', at + hour))).toBe('ref-1')
    expect(next.read?.(both.write('ref-1', at + hour))).toBe('ref-1')
    expect(next.read?.(old.write('ref-1', at + hour))).toBeNull()
  })

  it('stands in the path where a function puts it there', () => {
    const { write, read } = urls((token) => `https://app.test/hook/${token}/cheqpoint`)
    const url = write('ref-1', at + hour)
    expect(url).toMatch(/^https:\/\/app\.test\/hook\/ref-1\./)
    expect(read?.(pathOf(url))).toBe('ref-1')
  })

  it('proves nothing beside another one, wherever a function put it', () => {
    const { write, read } = urls((token) => `https://app.test/hook/${token}`)
    const url = write('ref-1', at + hour)
    const other = write('ref-2', at + hour)
      .split('/')
      .at(-1)
    expect(read?.(`${url}?copy=${other}`)).toBeNull()
    expect(read?.(`${url}/${other}`)).toBeNull()
    expect(read?.(`${url}?copy=other`)).toBe('ref-1')
  })
})

describe('a callback URL without a secret', () => {
  const keys = keysOfApiKeys(
    new Map([
      ['billing', { keys: ['key of billing', 'older key of billing'] }],
      ['support', { keys: ['key of support'] }],
    ]),
  )
  const { write, read } = createCallbackUrls('https://app.test/hook', keys, () => at)

  it('is signed with the first key of the assistant, and verified with every key', () => {
    for (const assistant of ['billing', 'support']) expect(read(write('ref-1', at + hour, assistant))).toBe('ref-1')
    const rotated = keysOfApiKeys(new Map([['billing', { keys: ['newest key', 'key of billing'] }]]))
    const after = createCallbackUrls('https://app.test/hook', rotated, () => at)
    expect(after.read(write('ref-1', at + hour, 'billing'))).toBe('ref-1')
    expect(after.read(write('ref-1', at + hour, 'support'))).toBeNull()
  })

  it('is not signed with the API key itself, so that no other signature of that key is a token', () => {
    const token = new URL(write('ref-1', at + hour, 'support')).searchParams.get('cq') ?? ''
    const [ref, expiry] = token.split('.')
    const mac = createHmac('sha256', 'key of support').update(`${ref}.${expiry}`).digest('base64url')
    expect(read(`/hook?cq=${token}`)).toBe('ref-1')
    expect(read(`/hook?cq=${ref}.${expiry}.${mac}`)).toBeNull()
  })

  it('shows nothing of the key that it was signed with', () => {
    expect(write('ref-1', at + hour, 'billing')).not.toContain('key')
  })
})

describe('createCallbackUrl', () => {
  it.each([undefined, new URL('https://app.test/hook')])('says that a URL is missing where it is given %s', (url) => {
    // What the types rule out, an environment variable that is not set may be.
    expect(() => createCallbackUrl(url as unknown as string, secret)).toThrow(
      'option callbackUrl must be a URL, or a function that returns one for a token; it was a value of type',
    )
  })

  it('makes a URL whose token proves its reference, for two weeks', () => {
    const { url, ref } = createCallbackUrl('https://app.test/hook', secret)
    expect(readTokens(secret, Date.now)(url)).toBe(ref)
    expect(readTokens(secret, () => Date.now() + 13 * 24 * hour)(url)).toBe(ref)
    expect(readTokens(secret, () => Date.now() + 15 * 24 * hour)(url)).toBeNull()
    expect(createCallbackUrl('https://app.test/hook', secret).ref).not.toBe(ref)
  })

  it('makes a token that expires at expiresAt', () => {
    const now = Date.now()
    const { url, ref } = createCallbackUrl('https://app.test/hook', secret, { expiresAt: new Date(now + hour) })
    expect(readTokens(secret, () => now)(url)).toBe(ref)
    expect(readTokens(secret, () => now + hour + 1_000)(url)).toBeNull()
  })

  it.each([[''], ['too short'], [[]], [7]])('refuses the secret %j', (wrong) => {
    expect(() => createCallbackUrl('https://app.test/hook', wrong as string)).toThrow(
      expect.objectContaining({ code: 'option-invalid' }),
    )
  })
})

describe('createCallbackUrls refuses', () => {
  it.each([
    ['a text that is no URL', 'not a url'],
    ['another scheme', 'ftp://app.test/hook'],
    ['a URL that uses our parameter', 'https://app.test/hook?cq=1'],
    ['a URL with a fragment', 'https://app.test/hook#part'],
    ['a function that loses the token', () => 'https://app.test/hook'],
    ['a function that glues the token to other text', (token: string) => `https://app.test/hook-${token}`],
    ['a function that returns no URL', (token: string) => token],
    ['a function that puts the token where no server sees it', (token: string) => `https://app.test/hook#${token}`],
    ['a function that makes it a password', (token: string) => `https://u:${token}@app.test/hook`],
  ])('%s', (_name, target) => {
    expect(() => urls(target)).toThrow(
      expect.objectContaining({ code: 'option-invalid', message: expect.stringContaining('callbackUrl') }),
    )
  })
})
