import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CheqpointError } from '../../../src/model/errors.js'
import { type Tracked, writeJson, writeRequest } from '../../../src/submit/tracked-request.js'

const now = Date.parse('2026-11-20T10:00:00.000Z')
const day = 86_400_000
const defaultExpiry = now + 7 * day
const limits = (assistants: ReadonlySet<string> | null = null) => ({
  ...{ assistants, now, expiresAfterMs: 7 * day, maxDetailsBytes: 262_144 },
})
const tracked: Tracked = { action: 'process_refund', details: { orderId: '8842', amount: 120 } }

/** Code and text of what is thrown. */
function thrown(write: () => unknown): readonly [string, string] {
  try {
    write()
  } catch (error) {
    if (error instanceof CheqpointError) return [error.code, error.message]
    throw error
  }
  return ['nothing', '']
}

function draftError(parts: Readonly<Record<string, unknown>>, assistants: ReadonlySet<string> | null = null) {
  // Wrong types on purpose: callers without TypeScript exist.
  return thrown(() => writeRequest({ ...tracked, ...parts } as Tracked, limits(assistants)))
}

describe('a draft', () => {
  it('keeps the request as JSON, with defaults for what was not given', () => {
    expect(writeRequest(tracked, limits())).toEqual({
      ref: null,
      action: 'process_refund',
      assistant: null,
      expiresAt: defaultExpiry,
      expiresAfterMs: 7 * day,
      details: '{"orderId":"8842","amount":120}',
      context: 'null',
    })
  })

  it('keeps everything that was given', () => {
    const expiresAt = new Date('2026-11-21T10:00:00.000Z')
    const said = { ...tracked, context: { tenant: 't1' }, expiresAt, assistant: 'billing', ref: 'ref_1' }
    expect(writeRequest(said, limits(new Set(['billing'])))).toMatchObject({
      ref: 'ref_1',
      assistant: 'billing',
      expiresAt: expiresAt.getTime(),
      context: '{"tenant":"t1"}',
    })
  })

  it('does not change with the objects that it was made of', () => {
    const details = { amount: 120 }
    const draft = writeRequest({ ...tracked, details }, limits())
    details.amount = 1
    expect(draft.details).toBe('{"amount":120}')
  })

  it.each([
    ['action', ''],
    ['action', 7],
    ['action', undefined],
    ['details', undefined],
    ['details', null],
    ['details', 'text'],
    ['details', [1]],
    ['expiresAt', '2026-11-21'],
    ['expiresAt', Number.NaN],
    ['expiresAt', new Date(Number.NaN)],
  ])('is refused with %s as %j', (name, value) => {
    const [code, message] = draftError({ [name]: value })
    expect(code).toBe('argument-invalid')
    expect(message).toContain(`${name} must be `)
  })

  it('needs an assistant where keys are by assistant, and names those', () => {
    const [code, message] = draftError({}, new Set(['billing', 'support']))
    expect(code).toBe('argument-invalid')
    expect(message).toBe('assistant must be one of billing, support')
  })

  it('takes no assistant where there is one key for all', () => {
    expect(draftError({ assistant: 'billing' })[0]).toBe('argument-invalid')
  })

  it('knows no assistant without a key', () => {
    expect(draftError({ assistant: 'toString' }, new Set(['billing']))[0]).toBe('assistant-unknown')
  })
})

describe('plain JSON', () => {
  it.each([
    [null],
    [true],
    [''],
    [0],
    [-1.5e300],
    [[]],
    [{}],
    [[1, [null, { a: [] }]]],
    [Object.create(null)],
    [JSON.parse('{"__proto__":{"a":1}}')],
  ])('is written as it is: %j', (value) => {
    expect(JSON.parse(writeJson(value, 'details'))).toEqual(value)
  })

  it('may leave out what is undefined in an object', () => {
    expect(writeJson({ a: undefined, b: 1 }, 'details')).toBe('{"b":1}')
  })

  it('may hold the same object twice, next to each other', () => {
    const shared = { a: 1 }
    expect(writeJson([shared, shared], 'details')).toBe('[{"a":1},{"a":1}]')
  })

  it('may be as deep as a response of the API, and not a level deeper', () => {
    expect(thrown(() => writeJson(nested(64), 'details'))).toEqual(['nothing', ''])
    expect(thrown(() => writeJson(nested(65), 'details'))[0]).toBe('not-json')
  })

  it('is whatever JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        const value: unknown = JSON.parse(text)
        expect(writeJson(value, 'details')).toBe(JSON.stringify(value))
      }),
    )
  })
})

describe('what JSON would lose or change', () => {
  class Money {
    amount = 120
  }
  const circle: Record<string, unknown> = {}
  circle['self'] = { circle }

  it.each<readonly [string, unknown, string]>([
    ['not a number', { a: [1, Number.NaN] }, 'details.a.1'],
    ['an infinite number', { a: Number.POSITIVE_INFINITY }, 'details.a'],
    ['undefined in a list', { a: [undefined] }, 'details.a.0'],
    ['a hole in a list', { a: Array(1) }, 'details.a.0'],
    ['undefined itself', undefined, 'details'],
    ['a big integer', { a: 1n }, 'details.a'],
    ['a symbol', { a: Symbol('x') }, 'details.a'],
    ['a function', { a: { b: () => 1 } }, 'details.a.b'],
    ['a method that would write something else', { a: { toJSON: () => 1 } }, 'details.a.toJSON'],
    ['a date', { a: new Date(0) }, 'details.a'],
    ['a map', { a: new Map([[1, 2]]) }, 'details.a'],
    ['bytes', { a: new Uint8Array(2) }, 'details.a'],
    ['an object of a class', { a: new Money() }, 'details.a'],
    ['a wrapped text', { a: Object('text') }, 'details.a'],
    ['a circle', circle, 'details.self.circle'],
  ])('is refused, and its place is named: %s', (_, value, place) => {
    const [code, message] = thrown(() => writeJson(value, 'details'))
    expect(code).toBe('not-json')
    expect(message.startsWith(`${place} `)).toBe(true)
  })

  it('is never shown in the error', () => {
    const [, message] = thrown(() => writeJson({ iban: 'DE00-CANARY', amount: Number.NaN }, 'details'))
    expect(message).not.toContain('CANARY')
  })
})

/** Objects in each other, so many. */
function nested(levels: number): unknown {
  return Array.from({ length: levels }).reduce<unknown>((inner) => ({ inner }), 1)
}
