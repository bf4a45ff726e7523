import { timingSafeEqual } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createCallbackUrls, keysOfSecrets } from '../../src/submit/callback-url.js'
import { bodyFor, callback, comparable, problem, taken } from '../support/adapters-bench.js'
import { path, socketHosts } from '../support/hosts.js'
import { refund } from '../support/receiver.js'
import { behind, effects, none } from '../support/threats-bench.js'

/*
 * The token in a callback URL. Comparisons are watched here and not replaced: whether they take the same time is for
 * `timingSafeEqual` to promise, that nothing else compares is shown.
 */

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) }
})

const handled = taken(200, 'handled')

describe('a token in the URL', () => {
  const secret = {
    callbackUrl: `https://app.test${path}`,
    callbackSecret: 'a secret of the threats',
    confirm: { minIntervalMs: 0 },
  }
  const refused = problem(401, 'token-refused', 'The callback URL has no valid token')
  const escaped = (text: string): string => [...text].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('')

  // A query is read as any form is: these are ways to write the same token.
  const same: readonly ((token: string) => string)[] = [
    (token) => `?cq=${token}`,
    (token) => `?cq=${token.replaceAll('.', '%2E')}`,
    (token) => `?${escaped('cq')}=${escaped(token)}`,
    (token) => `?&&cq=${token}&&`,
    (token) => `?a=1&%zz&cq=${token}&b`,
  ]
  const another: readonly ((token: string) => string)[] = [
    () => '',
    () => '?cq',
    (token) => `?cq=${token}&cq=${token}`,
    (token) => `?cq=${token}&${escaped('cq')}=${token}`,
    (token) => `?cq=x&cq=${token}`,
    (token) => `?cq[]=${token}`,
    (token) => `?CQ=${token}`,
    (token) => `?cq=${token.toUpperCase()}`,
    (token) => `?cq=${token}+`,
    (token) => `?cq=+${token}`,
    (token) => `?cq=${token}%00`,
    (token) => `?cq=${token}%0d%0a`,
    (token) => `?cq=%EF%BB%BF${token}`,
    (token) => `?cq="${token}"`,
    (token) => `?cq=${token};a=1`,
    (token) => `?a=1;cq=${token}`,
    (token) => `??cq=${token}`,
    (token) => `?cq=${token}#x`,
    (token) => `?cq=${escaped(escaped(token))}`,
    (token) => `?cq=${token.slice(0, -1)}`,
    (token) => `?cq=${token}${token}`,
    (token) => `?cq=${token.split('.').reverse().join('.')}`,
    (token) => `?cq=${token.replace(/\.[^.]+$/, `.${'A'.repeat(43)}`)}`,
  ]

  behind(socketHosts, ({ bench, host }) => {
    it('T13: is read alike by every host, and a wrong one costs nothing and reveals nothing', async () => {
      const current = await bench({ ...secret, sweep: 'elsewhere' })
      const { url, ref } = current.receiver.callbackUrl()
      await current.receiver.track('req_2', { ...refund, ref })
      const token = new URL(url).searchParams.get('cq') ?? ''
      const send = async (query: string, approvalId: string) =>
        comparable(await host().send(callback({ path: `${path}${query}`, body: bodyFor(approvalId) })))
      current.storeCalls.length = 0
      for (const write of another) {
        // Whether the id is known or not, the bytes are the same.
        for (const each of ['req_2', 'req_9'])
          expect([write.name, await send(write(token), each)]).toEqual([write.name, refused])
      }
      expect(effects(current)).toEqual(none)
      current.api.approve('req_2')
      for (const write of same)
        expect([write(token), await send(write(token), 'req_2')]).toEqual([write(token), handled])
      expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
    })
  })
})

describe('the comparison of a token', () => {
  const watched = vi.mocked(timingSafeEqual)
  const now = Date.parse('2026-11-20T10:00:00Z')
  const secrets = ['the secret of this year', 'the secret of last year']
  const keys = keysOfSecrets(secrets)
  const urls = createCallbackUrls('https://app.test/hook', keys, () => now)
  const genuine = urls.write('ref-1', now + 1_000, null)
  const end = genuine.length
  beforeEach(() => {
    watched.mockClear()
  })

  /** Another character that may stand there. */
  const other = (character: string | undefined): string => (character === 'A' ? 'B' : 'A')

  it('T13: has two texts of equal length, wherever the first difference is, and one for each secret', () => {
    for (let at = end - 43; at < end; at++) {
      watched.mockClear()
      expect(urls.read(`${genuine.slice(0, at)}${other(genuine[at])}${genuine.slice(at + 1)}`)).toBeNull()
      expect(watched.mock.calls.map(([left, right]) => [left.byteLength, right.byteLength])).toEqual([
        [43, 43],
        [43, 43],
      ])
    }
  })

  it('T13: is the same for another reference, another expiry, and an expired token', () => {
    const late = createCallbackUrls('https://app.test/hook', keys, () => now + 2_000)
    for (const [read, url] of [
      [urls.read, genuine.replace('ref-1', 'ref-2')],
      [urls.read, genuine.replace(/ref-1\.../, 'ref-1.00')],
      [late.read, genuine],
    ] as const) {
      watched.mockClear()
      expect(read(url)).toBeNull()
      const [first] = watched.mock.calls
      expect([first?.[0].byteLength, first?.[1].byteLength]).toEqual([43, 43])
    }
  })

  it('T13: does not happen for text without the form of a token', () => {
    for (const url of [
      `${genuine}A`,
      genuine.slice(0, -1),
      genuine.replace('ref-1', 'ref/1'),
      'https://app.test/hook',
    ]) {
      expect(urls.read(url)).toBeNull()
    }
    expect(watched).not.toHaveBeenCalled()
  })
})
