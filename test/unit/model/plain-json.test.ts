import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeJson } from '../../../src/model/plain-json.js'
import { thrown } from '../../support/thrown.js'

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

  it.each([
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a Set', new Set()],
    ['a promise that was not awaited', Promise.resolve()],
    ['not a plain object', new Money()],
  ])('is called what it is, with the fix: %s', (what, value) => {
    expect(thrown(() => writeJson({ at: value }, 'details'))[1]).toBe(`details.at is ${what}; convert it to plain JSON`)
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
