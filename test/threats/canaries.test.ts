import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { CheqpointError, type CheqpointEvent, toResponse } from '../../src/index.js'
import { everything, type Secret, searchFor, shown, standingSecrets, tokensIn } from '../support/canaries.js'
import { misplaced } from '../support/redaction-bench.js'
import { mayAppear, type Place, places } from '../support/redaction-places.js'

/*
 * That the search can fail: what it is to find is put where it must not be, in every way that we know of.
 */

const token = 'ref-1.t6lq2o.kQ3pWb1nUuM8yJx7dZcVf0aRs2hLtEoGi5KwYvXzB4Q'
const secrets: readonly Secret[] = [...standingSecrets, ...tokensIn(`https://app.test/hook?cq=${token}`)]
const search = searchFor(secrets)
const each = secrets.map((secret) => [secret.kind, secret] as const)

const bytesOf = (value: string): readonly number[] => [...Buffer.from(value)]
const hexOf = (value: string, before: string): string =>
  bytesOf(value)
    .map((byte) => before + byte.toString(16))
    .join('')

const forms: readonly (readonly [string, (value: string) => string])[] = [
  ['as it is', (value) => value],
  ['in capitals', (value) => value.toUpperCase()],
  ['in JSON, among characters that JSON escapes', (value) => JSON.stringify({ text: `"\\\n\u2028é${value}"` })],
  ['in JSON within JSON', (value) => JSON.stringify(JSON.stringify({ text: `"${value}"` }))],
  ['in a query', (value) => new URLSearchParams({ text: `ä/${value}&` }).toString()],
  ['every byte percent-encoded', (value) => hexOf(value, '%')],
  ['every letter escaped', (value) => hexOf(value, '\\u00')],
  ['every byte escaped', (value) => hexOf(value, '\\x')],
  ['in hex', (value) => Buffer.from(`x${value}`).toString('hex')],
  ['in capital hex', (value) => Buffer.from(value).toString('hex').toUpperCase()],
  ['as bytes that are shown', (value) => inspect(Buffer.from(value))],
  ['as bytes in JSON', (value) => JSON.stringify(Buffer.from(value))],
  ['as bytes in a list over several lines', (value) => JSON.stringify(bytesOf(value), null, 2)],
  ['in UTF-16', (value) => Buffer.from(value, 'utf16le').toString('latin1')],
  ...Array.from({ length: 6 }, (_, before) =>
    [['base64', 'base64'] as const, ['base64url', 'base64url'] as const].map(
      ([name, encoding]) =>
        [
          `in ${name}, ${before} bytes before it`,
          (value: string) => Buffer.from(`${'~'.repeat(before)}${value}~?>`).toString(encoding),
        ] as const,
    ),
  ).flat(),
]

const hidingPlaces: readonly (readonly [string, (value: string) => unknown])[] = [
  ['a property', (value) => ({ a: [{ b: value }] })],
  ['a name', (value) => ({ [value]: 1 })],
  ['a property that is hidden', (value) => Object.defineProperty({}, 'error', { value, enumerable: false })],
  ['a property under a symbol', (value) => ({ [Symbol('data')]: value })],
  ['a symbol', (value) => ({ [Symbol(value)]: 1 })],
  ['a getter', (value) => Object.defineProperty({}, 'body', { get: () => value })],
  ['an object without a prototype', (value) => Object.assign(Object.create(null), { value })],
  ['a function', (value) => Object.assign(() => {}, { value })],
  ['a map', (value) => new Map([['a', { value }]])],
  ['a set', (value) => new Set([value])],
  ['bytes', (value) => ({ body: Buffer.from(`${'x'.repeat(100)}${value}`) })],
  ['an array buffer', (value) => new TextEncoder().encode(value).buffer],
  ['headers', (value) => ({ headers: new Headers({ 'x-api-key': value }) })],
  ['a long text', (value) => ({ text: `${'x'.repeat(20_000)}${value}` })],
  ['a long list', (value) => [...Array.from({ length: 500 }, () => 'x'), value]],
  ['the message of an error', (value) => new Error(value)],
  ['a stack alone', (value) => Object.assign(new Error('x'), { stack: `Error: ${value}\n    at file.js` })],
  ['a property of an error', (value) => Object.assign(new Error('x'), { command: { args: [value] } })],
  ['a cause', (value) => new Error('x', { cause: new Error('y', { cause: new Error(value) }) })],
  ['a cause that is no error', (value) => new Error('x', { cause: { headers: ['x-api-key', value] } })],
  ['several errors in one', (value) => new AggregateError([new Error('x'), { value }], 'x')],
]

describe('the search', () => {
  describe.each(forms)('for what is written %s', (_, write) => {
    it.each(each)('finds the %s', (kind, { value }) => {
      expect(search(`before ${write(value)} after`)).toEqual([kind])
    })
  })

  describe.each(hidingPlaces)('for what is in %s', (_, hide) => {
    it.each(each)('finds the %s', (kind, { value }) => {
      expect(search(everything(hide(value)))).toEqual([kind])
    })
  })

  it('finds a token that was altered in its last letter, as a forged one is', () => {
    expect(search(token.replace(/.$/, 'A'))).toEqual(['token'])
  })

  it('finds nothing where nothing is', () => {
    const error = new CheqpointError('api-timeout', 'the API did not answer in time')
    expect(search(everything([error, answer, 'canary', 'cq_live_', Buffer.from('CANARY')]))).toEqual([])
  })
})

describe('what a log shows of a value', () => {
  it('has nothing of a hidden property, which a search of everything finds', () => {
    const event: CheqpointEvent = { type: 'store-failed', operation: 'claim', error: new Error(secrets[0]?.value) }
    Object.defineProperty(event, 'error', { enumerable: false })
    expect(search(shown(event))).toEqual([])
    expect(search(everything(event))).toEqual([secrets[0]?.kind])
  })
})

/** Copies of what the library really makes, each with a leak. */
const copies: readonly (readonly [Place, string, (value: string) => unknown])[] = [
  [
    'event',
    'an event',
    (value) => ({ type: 'parked', approvalId: 'req_1', action: value, reason: 'adopted', paths: [] }),
  ],
  ['event error', 'the error of an event', (value) => hide({ type: 'store-failed', operation: 'claim' }, value)],
  ['answer', 'the body of an answer', (value) => ({ ...answer, body: answer.body.replace('about:blank', value) })],
  ['answer', 'a header of an answer', (value) => ({ ...answer, headers: { ...answer.headers, 'retry-after': value } })],
  ['error', 'the message of an error', (value) => new CheqpointError('api-failed', `the API failed: ${value}`)],
  ['error', 'the cause of an error', (value) => new CheqpointError('api-failed', '', { cause: new Error(value) })],
  ['error', 'a field of an error', (value) => new CheqpointError('wait-timeout', 'no decision', { approvalId: value })],
  ['tombstone', 'what is left of a record', (value) => ({ kind: 'completed', decision: { note: value } })],
  ['object', 'a client', (value) => ({ get: () => {}, assistants: new Set([value]) })],
]
const answer = toResponse({ kind: 'undecided', approvalId: 'req_1', retryAfterMs: 1_000 }, { swept: false })

function hide(event: object, value: string): object {
  return Object.defineProperty(event, 'error', { value: new Error(value), enumerable: false })
}

describe('a leak', () => {
  it.each(copies)('to %s is found in %s', (place, what, leak) => {
    const found = secrets.flatMap(({ value }) => misplaced([{ place, what, text: everything(leak(value)) }], search))
    const expected = secrets.filter(({ kind }) => !mayAppear[kind].includes(place)).map(({ kind }) => kind)
    expect(found).toEqual(expected.map((kind) => `${kind} in ${place}: ${what}`))
    expect(expected.length).toBeGreaterThan(8)
  })

  const seeded = secrets.flatMap((secret) => places.map((place) => ({ ...secret, place })))

  it.each(seeded)('of $kind in $place is reported, unless it may be there', ({ kind, place, value }) => {
    const evidence = [
      { place, what: 'a copy', text: everything({ type: 'parked', approvalId: 'req_1', paths: [], seeded: value }) },
      { place, what: 'another', text: everything({ type: 'parked', approvalId: 'req_1', paths: [] }) },
    ]
    const expected = mayAppear[kind].includes(place) ? [] : [`${kind} in ${place}: a copy`]
    expect(misplaced(evidence, search)).toEqual(expected)
  })
})
