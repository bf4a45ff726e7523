import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Callback } from '../../../src/index.js'
import { kept } from '../../support/kept.js'
import { readAnswer } from './answers.js'
import { agent, FuzzBench } from './bench.js'
import { type Property, property } from './property.js'
import { register, registerReference } from './registered.js'
import { mint } from './token-oracle.js'
import { json } from './upstream.js'

const secrets = ['the newest secret of all', 'the secret before that'] as const
const base = 'https://app.test/webhooks/cheqpoint'
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

/** A change or replacement of a genuine token, and the expected result of the callback. */
type Way =
  | { readonly how: 'genuine'; readonly secret: 0 | 1; readonly place: number }
  | { readonly how: 'altered'; readonly at: number; readonly by: string }
  | { readonly how: 'shortened' | 'lengthened'; readonly at: number; readonly by: string }
  | { readonly how: 'shuffled'; readonly order: readonly number[] }
  | {
      readonly how:
        | 'of another record'
        | 'of nobody'
        | 'not bound yet'
        | 'of another secret'
        | 'repeated'
        | 'missing'
        | 'random'
    }
  | { readonly how: 'expired'; readonly sinceMs: number }
  | { readonly how: 'elsewhere'; readonly where: number }

const character = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...alphabet) },
  { weight: 1, arbitrary: fc.constantFrom('.', '%', '+', '&', '=', '#', '/', '?', ' ', '\0', 'é', '%00', '..', '%2e') },
)
const way: fc.Arbitrary<Way> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      how: fc.constant('genuine' as const),
      secret: fc.constantFrom<0 | 1>(0, 1),
      place: fc.nat(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ how: fc.constant('altered' as const), at: fc.nat(), by: character }) },
  {
    weight: 2,
    arbitrary: fc.record({
      how: fc.constantFrom('shortened' as const, 'lengthened' as const),
      at: fc.nat(),
      by: character,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant('shuffled' as const),
      order: fc.constantFrom([0, 2, 1], [2, 1, 0], [1, 0, 2], [0, 1], [0, 1, 2, 2]),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      how: fc.constantFrom(
        'of another record' as const,
        'of nobody' as const,
        'not bound yet' as const,
        'of another secret' as const,
        'repeated' as const,
        'missing' as const,
        'random' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant('expired' as const),
      sinceMs: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 1e12 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ how: fc.constant('elsewhere' as const), where: fc.nat() }) },
)

/** Valid places of a token, in a URL from a text and from a function. */
const inText: readonly ((token: string) => string)[] = [
  (token) => `${base}?cq=${token}`,
  (token) => `/webhooks/cheqpoint?cq=${token}`,
  (token) => `/other?x=1&cq=${token}&y=%zz`,
  (token) => `?&&cq=${[...token].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('')}`,
  (token) => `/?c%71=${token}`,
]
const inFunction: readonly ((token: string) => string)[] = [
  (token) => `https://app.test/hooks/${token}/cheqpoint`,
  (token) => `/hooks/${token}`,
  (token) => `/hooks?t=${token}&u=1`,
  (token) => `/${token}?cq=1.2.3`,
]

/** Invalid places of a token, for both kinds of URL. */
const elsewhere: readonly ((token: string) => Partial<Callback>)[] = [
  (token) => ({ header: (name) => (name === 'user-agent' ? [agent] : [`${base}?cq=${token}`]) }),
  (token) => ({ body: { parsed: JSON.stringify({ approvalId: 'req_1', cq: token, url: `${base}?cq=${token}` }) } }),
  (token) => ({ url: `${base}?cq=${token.replaceAll('.', '&cq=')}` }),
  (token) => ({ url: `${base}?cq=${token.split('.').join('/')}` }),
  (token) => ({ url: `${base}?cq=${Buffer.from(token).toString('base64url')}` }),
  (token) => ({
    url: `${base}?cq=${encodeURIComponent(encodeURIComponent(encodeURIComponent(`/${token}/`)))}x${token}`,
  }),
]
const elsewhereInText: readonly ((token: string) => Partial<Callback>)[] = [
  (token) => ({ url: `${base}/${token}` }),
  (token) => ({ url: `${base}?CQ=${token}` }),
  (token) => ({ url: `${base}?xcq=${token}` }),
  (token) => ({ url: `${base}?a=?cq=${token}` }),
  (token) => ({ url: `${base};cq=${token}` }),
  (token) => ({ url: `${base}?cq[]=${token}` }),
  (token) => ({ url: `${base}#cq=${token}` }),
  (token) => ({ url: `${base}?cq=${token}&c%71=${token}` }),
  (token) => ({ url: `${base}?cq=&cq=${token}` }),
]

/** Store reads that distinguish a valid token of another record, or of none, from the correct one. */
const storeCalls: ReadonlyMap<Way['how'], number> = new Map([
  ['of another record', 1],
  ['of nobody', 2],
  ['not bound yet', 3],
])

/** A callback is accepted only with the token of its record: complete, once, in its place, and not expired. */
export const urlTokens: Property = property({
  name: 'tokens',
  says: 'only the unexpired token of the record, in its place, admits a callback',
  sees: [
    ...[
      'genuine: 200 handled',
      'altered: 401 token-refused',
      'shortened: 401 token-refused',
      'expired: 401 token-refused',
    ],
    ...['of another record: 401 token-refused', 'of nobody: 404 unknown-approval', 'not bound yet: 202 awaiting-id'],
    ...['of another secret: 401 token-refused', 'repeated: 401 token-refused', 'elsewhere: 401 token-refused'],
  ],
  arbitrary: fc.record({ way, inPath: fc.boolean() }),
  open() {
    const options = { callbackSecret: secrets }
    const byText = new FuzzBench({ callbackUrl: base, ...options })
    const byFunction = new FuzzBench(
      { callbackUrl: (token) => `https://app.test/hooks/${token}`, ...options },
      byText.time,
    )
    const { time } = byText
    return {
      async judge({ way: chosen, inPath }, note) {
        const bench = inPath ? byFunction : byText
        const { upstream, inner, receiver, runs } = bench.begin()
        const { url, ref } = receiver.callbackUrl()
        const other = receiver.callbackUrl()
        await register(inner, 'req_1', { ref })
        await register(inner, 'req_2', { ref: other.ref })
        await registerReference(inner, 'reserved', 30_000)
        upstream.answer = () => json({ id: 'req_1', status: 'APPROVED', modifiedDetails: null })

        const genuine = tokenIn(url)
        const { sent, deserves } = goWay(chosen, { genuine, ref, other: tokenIn(other.url), inPath, now: time.now() })
        const meaning = readAnswer(await bench.handle({ body: { parsed: '{"approvalId":"req_1"}' }, ...sent }))
        note(`${chosen.how}: ${meaning}`)
        assert.equal(meaning, deserves)
        if (meaning === '200 handled') return assert.deepEqual([upstream.asked.length, runs.length], [1, 1])
        // Forged tokens cause no store call; valid tokens of other records are detected by the record or its absence.
        bench.expectRefused({ storeCalls: storeCalls.get(chosen.how) ?? 0 })
        assert.equal((await kept(inner, 'req_1'))?.state, 'pending')
      },
      async close() {
        await byFunction.close()
        await byText.close()
      },
    }
  },
})

const unknownId = { body: { parsed: '{"approvalId":"req_9"}' } }

/** The last part of a callback URL of the two receivers. */
function tokenIn(url: string): string {
  return url.split(/[=/]/).at(-1) ?? ''
}

interface Facts {
  readonly genuine: string
  readonly ref: string
  readonly other: string
  readonly inPath: boolean
  readonly now: number
}

function goWay(
  way: Way,
  { genuine, ref, other, inPath, now }: Facts,
): { readonly sent: Partial<Callback>; readonly deserves: string } {
  const places = inPath ? inFunction : inText
  const put = (token: string, at = 0): Partial<Callback> => ({ url: places[at % places.length]?.(token) ?? '' })
  const refused = (sent: Partial<Callback>) => ({ sent, deserves: '401 token-refused' })
  const day = 86_400_000
  switch (way.how) {
    case 'genuine': {
      const own = mint(secrets[way.secret], ref, now + 14 * day)
      if (way.secret === 0) assert.equal(own, genuine, 'a token is what is documented')
      return { sent: put(own, way.place), deserves: '200 handled' }
    }
    case 'altered': {
      const at = way.at % genuine.length
      const altered = genuine.slice(0, at) + way.by + genuine.slice(at + 1)
      // An escaped character of a query is the same character.
      const isSame = altered === genuine || (!inPath && altered.replace('%2e', '.') === genuine)
      return isSame ? { sent: put(altered), deserves: '200 handled' } : refused(put(altered))
    }
    case 'shortened': {
      const end = way.at % genuine.length
      return refused(put(way.at % 2 === 0 ? genuine.slice(0, end) : genuine.slice(end + 1)))
    }
    case 'lengthened': {
      const at = way.at % (genuine.length + 1)
      return refused(put(genuine.slice(0, at) + (alphabet.includes(way.by) ? way.by : 'A') + genuine.slice(at)))
    }
    case 'shuffled':
      return refused(put(way.order.map((part) => genuine.split('.')[part]).join('.')))
    case 'of another record':
      return refused(put(other))
    case 'of nobody':
      return { sent: { ...put(mint(secrets[0], 'nobody', now + day)), ...unknownId }, deserves: '404 unknown-approval' }
    case 'not bound yet':
      return { sent: { ...put(mint(secrets[0], 'reserved', now + day)), ...unknownId }, deserves: '202 awaiting-id' }
    case 'of another secret':
      return refused(put(mint('a secret of somebody else', ref, now + day)))
    case 'repeated':
      return refused({ url: inPath ? `/${genuine}/${genuine}` : `/?cq=${genuine}&cq=${genuine}` })
    case 'missing':
      return refused({ url: base })
    case 'random':
      return refused(put(`${ref}.${'z'.repeat(9)}.${'A'.repeat(43)}`))
    case 'expired':
      return refused(put(mint(secrets[0], ref, Math.floor((now - way.sinceMs) / 1000) * 1000)))
    case 'elsewhere': {
      const all = inPath ? elsewhere : [...elsewhere, ...elsewhereInText]
      return refused(all[way.where % all.length]?.(genuine) ?? {})
    }
  }
}
