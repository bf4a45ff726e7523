import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Change, changesBetween } from '../../../src/simulator/page/client/changes.js'
import { readObject } from '../../../src/simulator/page/client/json-text.js'
import type { Json, JsonMap } from '../../../src/simulator/page/view.js'

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json> // what its documentation says it yields
const object = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('a', 'b', '__proto__')), json)

/** What the platform makes of a text, for comparison: an object, or `null`. */
function platform(text: string): JsonMap | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonMap) : null
  } catch {
    return null
  }
}

/** The place of a fault, marked in the text. */
function marked(text: string): string {
  const read = readObject(text)
  return 'fault' in read ? `${text.slice(0, read.at)}‸${text.slice(read.at)} ${read.fault}` : 'no fault'
}

describe('reading an edit', () => {
  it('gives what the platform gives, for every object', () => {
    fc.assert(
      fc.property(object, fc.nat(4), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(readObject(text)).toStrictEqual({ value: JSON.parse(text) })
      }),
    )
  })

  it('takes nothing that the platform refuses, and refuses nothing else but keys that come twice', () => {
    const damage = fc.tuple(object, fc.nat(), fc.nat(2), fc.constantFrom('', ...'{}[]",:0.e-+\\u\n\t tfn/'))
    fc.assert(
      fc.property(damage, ([value, place, length, put]) => {
        const whole = JSON.stringify(value, null, 1)
        const at = place % (whole.length + 1)
        const text = whole.slice(0, at) + put + whole.slice(at + length)
        const read = readObject(text)
        if ('value' in read) expect(read.value).toStrictEqual(platform(text))
        else if (!/is there already/.test(read.fault)) expect(platform(text)).toBeNull()
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['{ "a": 1,, "b": 2 }', '{ "a": 1,‸, "b": 2 } Expected a key in double quotes'],
    ['{ "a": 1 "b": 2 }', '{ "a": 1 ‸"b": 2 } Expected a comma or }'],
    ['{ "a": [1 2] }', '{ "a": [1 ‸2] } Expected a comma or ]'],
    ['{ "a" 1 }', '{ "a" ‸1 } Expected a colon'],
    ['{ "a": USD }', '{ "a": ‸USD } Expected a value'],
    ['{ "a": 01 }', '{ "a": ‸01 } Expected a number in JSON format'],
    ['{ "a": "1\n2" }', '{ "a": ‸"1\n2" } Expected a complete string, with line breaks written as \\n'],
    ['{ "a": 1, }', '{ "a": 1, ‸} Expected a key in double quotes'],
    ['{ "a": 1', '{ "a": 1‸ The text ends where a comma or } should be'],
    ['', '‸ The text ends where an object, which starts with { should be'],
    ['[1]', '‸[1] Expected an object, which starts with {'],
    ['{} {}', '{} ‸{} Expected nothing more'],
    ['{ "a": 1, "a": 2 }', '{ "a": 1, ‸"a": 2 } The key "a" is there already'],
    ['{ "a": 1, "\\u0061": 2 }', '{ "a": 1, ‸"\\u0061": 2 } The key "\\u0061" is there already'],
  ])('shows where %j is wrong, and how', (text, wanted) => {
    expect(marked(text)).toBe(wanted)
  })

  it('takes a long string without an end no worse than one with', () => {
    const text = `{ "a": "${'x'.repeat(100_000)}`
    expect(readObject(text)).toMatchObject({ at: 7, fault: expect.stringContaining('complete string') })
  })

  it('counts lines and columns from one', () => {
    expect(readObject('{\n  "a": 1,\n  "b": x\n}')).toMatchObject({ line: 3, column: 8 })
    expect(readObject('x')).toMatchObject({ line: 1, column: 1 })
  })
})

describe('what an edit changes', () => {
  it('names each place with its values, in the order of the original', () => {
    const before = { amount: 120, currency: 'USD', items: [{ sku: '77', quantity: 2 }, 'gone'], same: [1, { a: null }] }
    const after = { same: [1, { a: null }], reason: 'late', items: [{ sku: '77', quantity: 1 }], amount: 95 }
    expect(changesBetween(before, after)).toStrictEqual([
      { path: ['amount'], before: 120, after: 95 },
      { path: ['currency'], before: 'USD', after: undefined },
      { path: ['items', '0', 'quantity'], before: 2, after: 1 },
      { path: ['items', '1'], before: 'gone', after: undefined },
      { path: ['reason'], before: undefined, after: 'late' },
    ])
  })

  it('distinguishes a list from an object, and null from nothing', () => {
    expect(changesBetween({ a: [] }, { a: {} })).toStrictEqual([{ path: ['a'], before: [], after: {} }])
    expect(changesBetween({ a: null }, {})).toStrictEqual([{ path: ['a'], before: null, after: undefined }])
    expect(changesBetween({}, JSON.parse('{"__proto__":1}'))).toStrictEqual([
      { path: ['__proto__'], before: undefined, after: 1 },
    ])
  })

  it('is empty for equal values, and makes of the one the other for all', () => {
    fc.assert(
      fc.property(object, object, (one, other) => {
        const [before, after]: JsonMap[] = [JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other))]
        expect(changesBetween(before, structuredCloneOf(before))).toStrictEqual([])
        expect(applied(before, changesBetween(before, after))).toEqual(applied(after, []))
      }),
    )
  })
})

const structuredCloneOf = (value: Json | undefined): Json => JSON.parse(JSON.stringify(value))

type Leaves = Map<string, Json>

/** A value as its places, with the changes made: what is removed goes with everything below it. */
function applied(value: Json | undefined, changes: readonly Change[]): Leaves {
  const leaves = flat(value, [])
  for (const { path } of changes) {
    const place = JSON.stringify(path).slice(0, -1)
    for (const key of leaves.keys()) if (key.startsWith(`${place},`) || key === `${place}]`) leaves.delete(key)
  }
  for (const { path, after } of changes)
    if (after !== undefined) for (const [key, leaf] of flat(after, path)) leaves.set(key, leaf)
  return leaves
}

function flat(value: Json | undefined, path: readonly string[]): Leaves {
  if (typeof value !== 'object' || value === null) return new Map([[JSON.stringify(path), value ?? null]])
  const here: [string, Json][] = [[JSON.stringify(path), Array.isArray(value) ? '[]' : '{}']]
  return new Map([...here, ...Object.entries(value).flatMap(([key, each]) => [...flat(each, [...path, key])])])
}
