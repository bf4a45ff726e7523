import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import type { StandardSchema } from '../../../src/model/standard-schema.js'
import type { ActionRules } from '../../../src/options/actions.js'
import { changedPaths, effectiveDetails, mergePatch, validate } from '../../../src/pipeline/effective-details.js'
import type { JsonObject, JsonValue } from '../../../src/util/json.js'

const original = { orderId: '8842', amount: 120, currency: 'USD', to: { name: 'Ada', street: 'Main' } }

async function judge(rules: ActionRules, modified: JsonObject | null): Promise<unknown> {
  return effectiveDetails(rules, original, modified)
}

describe('an approval without an edit', () => {
  it('yields the original, whatever the policy on edits', async () => {
    for (const modifications of [undefined, 'replace', 'merge', 'refuse'] as const) {
      expect(await judge({ modifications }, null)).toEqual({ ok: true, details: original, changedPaths: [] })
    }
  })

  it('is refused as details-invalid where the original no longer passes the schema', async () => {
    const details = z.object({ amount: z.number().max(100) })
    expect(await judge({ details }, null)).toEqual({ ok: false, reason: 'details-invalid', paths: ['/amount'] })
  })
})

describe('an edit that has every key of the original', () => {
  const edit = { ...original, amount: 80, reason: 'goodwill' }

  it('replaces the original without a schema and without a policy', async () => {
    expect(await judge({}, edit)).toEqual({ ok: true, details: edit, changedPaths: ['/amount', '/reason'] })
  })

  it('is refused where the action refuses edits, even one that changes nothing', async () => {
    const refused = { ok: false, reason: 'edit-refused', paths: [] }
    expect(await judge({ modifications: 'refuse' }, edit)).toEqual(refused)
    expect(await judge({ modifications: 'refuse' }, original)).toEqual(refused)
  })
})

describe('an edit that lacks keys of the original', () => {
  it('is ambiguous without a schema and without a policy, and each lacking place is named', async () => {
    const edit = { orderId: '8842', amount: 80, to: { name: 'Ada' } }
    expect(await judge({}, edit)).toEqual({ ok: false, reason: 'edit-ambiguous', paths: ['/currency', '/to/street'] })
  })

  it('is ambiguous as well when it is empty', async () => {
    const paths = ['/orderId', '/amount', '/currency', '/to']
    expect(await judge({}, {})).toEqual({ ok: false, reason: 'edit-ambiguous', paths })
  })

  it('does not lack what stands there as null, or as another type', async () => {
    const edit = { orderId: null, amount: 'much', currency: [], to: 'nobody' }
    expect(await judge({}, edit)).toMatchObject({ ok: true, details: edit })
  })

  it('lacks a key that only its prototype has', async () => {
    const found = await effectiveDetails({}, { toString: 'x', constructor: 'y' }, {})
    expect(found).toEqual({ ok: false, reason: 'edit-ambiguous', paths: ['/toString', '/constructor'] })
  })

  it('replaces the original under the policy replace', async () => {
    const changed = ['/orderId', '/amount', '/currency', '/to']
    expect(await judge({ modifications: 'replace' }, { amount: 80 })).toEqual({
      ok: true,
      details: { amount: 80 },
      changedPaths: changed,
    })
    expect(await judge({ modifications: 'replace' }, {})).toEqual({ ok: true, details: {}, changedPaths: changed })
  })

  it('patches the original under the policy merge', async () => {
    expect(await judge({ modifications: 'merge' }, { amount: 80, to: { street: null } })).toEqual({
      ok: true,
      details: { orderId: '8842', amount: 80, currency: 'USD', to: { name: 'Ada' } },
      changedPaths: ['/amount', '/to/street'],
    })
  })

  it('changes nothing when it is empty and merged', async () => {
    expect(await judge({ modifications: 'merge' }, {})).toEqual({ ok: true, details: original, changedPaths: [] })
  })

  it('is ambiguous with a schema too, which parses it only as a replacement', async () => {
    const details = z.object({ orderId: z.string(), amount: z.number() })
    expect(await judge({ details }, { orderId: '8842', amount: 80 })).toMatchObject({ reason: 'edit-ambiguous' })
    const rules: ActionRules = { details, modifications: 'replace' }
    expect(await judge(rules, { amount: 80 })).toEqual({ ok: false, reason: 'edit-invalid', paths: ['/orderId'] })
    expect(await judge(rules, { orderId: '8842', amount: 80 })).toMatchObject({
      ok: true,
      details: { orderId: '8842', amount: 80 },
    })
  })

  it('is judged by the schema after it was merged, where it is a patch', async () => {
    const details = z.strictObject({ orderId: z.string(), amount: z.number(), currency: z.string(), to: z.unknown() })
    const rules: ActionRules = { details, modifications: 'merge' }
    expect(await judge(rules, { amount: 80 })).toMatchObject({ ok: true, details: { ...original, amount: 80 } })
    expect(await judge(rules, { amount: null })).toEqual({ ok: false, reason: 'edit-invalid', paths: ['/amount'] })
  })

  it('leaves the original and the edit as they were', async () => {
    const [before, edit] = [structuredClone(original), { to: { street: null }, amount: 1 }]
    await effectiveDetails({ modifications: 'merge' }, before, edit)
    expect([before, edit]).toEqual([original, { to: { street: null }, amount: 1 }])
  })
})

describe('a schema', () => {
  it('may transform: details are its output, and changed paths are of its input', async () => {
    const details = z.object({ amount: z.number() }).transform(({ amount }) => ({ pence: amount * 100 }))
    expect(await effectiveDetails({ details }, { amount: 1 }, { amount: 2 })).toEqual({
      ok: true,
      details: { pence: 200 },
      changedPaths: ['/amount'],
    })
  })

  it('may be asynchronous', async () => {
    const details = z.object({ orderId: z.string().refine(async (id) => id === '8842') })
    expect(await validate(details, { orderId: '8842' })).toEqual({ ok: true, value: { orderId: '8842' } })
    expect(await validate(details, { orderId: '1' })).toEqual({ ok: false, paths: ['/orderId'] })
  })

  it('may come from another library, whose path steps are objects', async () => {
    const details = v.object({ to: v.object({ 'a/b': v.pipe(v.string(), v.maxLength(3)) }) })
    expect(await validate(details, { to: { 'a/b': 'Ada' } })).toEqual({ ok: true, value: { to: { 'a/b': 'Ada' } } })
    expect(await validate(details, { to: { 'a/b': 'Grace' } })).toEqual({ ok: false, paths: ['/to/a~1b'] })
  })

  it('that throws or rejects decides nothing: its error is passed on', async () => {
    const error = new Error('no rate for 8842')
    const thrown = schema(() => {
      throw error
    })
    const rejected = schema(() => Promise.reject(error))
    await expect(validate(thrown, original)).rejects.toBe(error)
    await expect(validate(rejected, original)).rejects.toBe(error)
  })

  it('fails without a result after five seconds, and not a millisecond before', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const failed = vi.fn()
    const hanging = schema(() => new Promise(() => {}))
    void Promise.resolve(validate(hanging, original)).catch(failed)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(failed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(failed).toHaveBeenCalledOnce()
    await validate(
      schema((value) => ({ value })),
      original,
    )
    expect(vi.getTimerCount()).toBe(0)
  })

  it('refuses when it names issues without a place, and fails where it breaks the interface', async () => {
    expect(
      await validate(
        schema(() => ({ issues: [{ message: 'no' }] })),
        original,
      ),
    ).toEqual({ ok: false, paths: [''] })
    expect(
      await validate(
        schema(() => ({ issues: [] })),
        original,
      ),
    ).toMatchObject({ ok: false })
    // What a schema that breaks the interface may do.
    const broken = schema(() => undefined as never)
    await expect(validate(broken, original)).rejects.toThrow(TypeError)
  })

  it('sees a copy: what it writes into the value is not seen elsewhere', async () => {
    const value = { amount: 1 }
    const writing = schema((given) => {
      Object.assign(given as object, { amount: 2 })
      return { value: given }
    })
    expect(await validate(writing, value)).toEqual({ ok: true, value: { amount: 2 } })
    expect(value).toEqual({ amount: 1 })
  })

  it('that is absent lets everything pass as it is', async () => {
    expect(await validate(undefined, original)).toEqual({ ok: true, value: original })
  })
})

describe('mergePatch', () => {
  // RFC 7396, appendix A.
  it.each([
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', 'null', 'null'],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ])('makes of %s with %s the result that the RFC gives: %s', (target, patch, result) => {
    expect(mergePatch(parse(target), parse(patch))).toEqual(JSON.parse(result))
  })

  it('takes __proto__ and constructor as data like any other', () => {
    const merged = mergePatch(
      parse('{"__proto__":{"a":1},"b":{}}'),
      parse(
        '{"__proto__":{"polluted":true},"b":{"__proto__":{"polluted":true}},"constructor":{"prototype":{"polluted":true}}}',
      ),
    )
    expect(JSON.stringify(merged)).toBe(
      '{"__proto__":{"a":1,"polluted":true},"b":{"__proto__":{"polluted":true}},"constructor":{"prototype":{"polluted":true}}}',
    )
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('agrees with a patch applied leaf by leaf', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        expect(isDeepStrictEqual(mergePatch(target, patch), patchedLeafByLeaf(target, patch))).toBe(true)
      }),
    )
  })

  it('changes nothing when it is repeated, and is the identity for an empty patch', () => {
    fc.assert(
      fc.property(jsonObject, json, (target, patch) => {
        const once = mergePatch(target, patch)
        expect(isDeepStrictEqual(mergePatch(once, patch), once)).toBe(true)
        expect(isDeepStrictEqual(mergePatch(target, {}), target)).toBe(true)
      }),
    )
  })
})

describe('changedPaths', () => {
  it('names what was added, removed and changed, at the highest place', () => {
    const before = { kept: 1, changed: 1, removed: { deep: 1 }, inside: { kept: 1, changed: 1 } }
    const after = { kept: 1, changed: 2, inside: { kept: 1, changed: { new: 1 } }, added: { deep: 1 } }
    expect(changedPaths(before, after)).toEqual(['/changed', '/removed', '/inside/changed', '/added'])
  })

  it('compares arrays as a whole, by order and length', () => {
    expect(changedPaths({ list: [1, { a: 1 }] }, { list: [1, { a: 1 }] })).toEqual([])
    expect(changedPaths({ list: [1, { a: 1 }] }, { list: [1, { a: 2 }] })).toEqual(['/list'])
    expect(changedPaths({ list: [1, 2] }, { list: [2, 1] })).toEqual(['/list'])
    expect(changedPaths({ list: [1] }, { list: { 0: 1 } })).toEqual(['/list'])
  })

  it('escapes ~ and / in pointers, and knows the empty key', () => {
    expect(changedPaths({ 'a/b': { '~': 1, '~1': 1, '': 1 } }, { 'a/b': { '~': 2, '~1': 2, '': 2 } })).toEqual([
      '/a~1b/~0',
      '/a~1b/~01',
      '/a~1b/',
    ])
  })

  it('distinguishes null from an absent key', () => {
    expect(changedPaths({ a: null }, {})).toEqual(['/a'])
    expect(changedPaths({}, { a: null })).toEqual(['/a'])
    expect(changedPaths({ a: null }, { a: null })).toEqual([])
  })

  it('names the whole document, with the empty pointer, where one side is no object', () => {
    expect(changedPaths({ a: 1 }, [1])).toEqual([''])
  })

  it('is not misled by names that every object inherits', () => {
    expect(changedPaths({}, parse('{"toString":1,"__proto__":{}}'))).toEqual(['/toString', '/__proto__'])
  })

  it('ignores the order of keys', () => {
    expect(changedPaths({ a: 1, b: { c: 1, d: 2 } }, { b: { d: 2, c: 1 }, a: 1 })).toEqual([])
  })

  it('is complete and minimal: the old values put back there, and only there, give the original', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (before, after) => {
        const paths = changedPaths(before, after)
        expect(paths.length === 0).toBe(isDeepStrictEqual(before, after))
        let restored: JsonValue = after
        for (const path of paths) {
          const [old, now] = [read(before, steps(path)), read(after, steps(path))]
          expect(isDeepStrictEqual(old, now)).toBe(false)
          expect(isPlain(old) && isPlain(now)).toBe(false)
          restored = written(restored, steps(path), old)
        }
        expect(isDeepStrictEqual(restored, before)).toBe(true)
      }),
    )
  })

  it('names after a merge nothing but places that the patch speaks of', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (before, patch) => {
        for (const path of changedPaths(before, mergePatch(before, patch))) {
          expect(read(patch, steps(path))).toBeDefined()
        }
      }),
    )
  })
})

function schema(run: StandardSchema['~standard']['validate']): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate: run } }
}

function parse(text: string): JsonValue {
  return JSON.parse(text)
}

/*
 * JSON with few keys, so that two values meet in them, and with the keys that pointers and prototypes stumble over.
 */
const key = fc.constantFrom('a', 'b', 'c', '', '~', '/', '~1', '__proto__', 'constructor')
const scalar = fc.constantFrom<JsonValue>(null, true, false, 0, 1, '', 'text')
const { json, jsonObject } = fc.letrec<{ json: JsonValue; jsonObject: JsonObject; list: readonly JsonValue[] }>(
  (tie) => ({
    json: fc.oneof({ maxDepth: 4 }, scalar, tie('jsonObject'), tie('list')),
    jsonObject: fc.array(fc.tuple(key, tie('json')), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
    list: fc.array(tie('json'), { maxLength: 3 }),
  }),
)

/** The oracle of {@link mergePatch}: every leaf of the patch is one write or one removal in a document of entries. */
function patchedLeafByLeaf(target: JsonValue, patch: JsonValue): JsonValue {
  if (!isPlain(patch)) return patch
  return leaves(patch, []).reduce<JsonValue>(
    (document, { at, value }) => {
      const parents = at.slice(0, -1).reduce<{ readonly document: JsonValue; readonly at: readonly string[] }>(
        (done, step) => {
          const here = [...done.at, step]
          const found = read(done.document, here)
          return { document: isPlain(found) ? done.document : written(done.document, here, {}), at: here }
        },
        { document, at: [] },
      )
      if (value !== 'empty') return written(parents.document, at, value === null ? undefined : value)
      return isPlain(read(parents.document, at)) ? parents.document : written(parents.document, at, {})
    },
    isPlain(target) ? target : {},
  )
}

/** What stands at the ends of a patch; `empty` is an object without keys, which makes an object and changes nothing in one. */
function leaves(
  value: JsonObject,
  at: readonly string[],
): readonly { readonly at: readonly string[]; readonly value: JsonValue | 'empty' }[] {
  return Object.entries(value).flatMap(([step, each]) => {
    const here = [...at, step]
    if (!isPlain(each)) return [{ at: here, value: each }]
    return Object.keys(each).length === 0 ? [{ at: here, value: 'empty' }] : leaves(each, here)
  })
}

function steps(path: string): readonly string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => step.replace(/~1/g, '/').replace(/~0/g, '~'))
}

function read(value: JsonValue | undefined, at: readonly string[]): JsonValue | undefined {
  return at.reduce(
    (found: JsonValue | undefined, step) => new Map(isPlain(found) ? Object.entries(found) : []).get(step),
    value,
  )
}

/** The document with another value at this place, or without it. */
function written(document: JsonValue, [step, ...rest]: readonly string[], value: JsonValue | undefined): JsonValue {
  if (step === undefined) return value ?? null
  const entries = new Map(isPlain(document) ? Object.entries(document) : [])
  if (rest.length === 0 && value === undefined) entries.delete(step)
  else entries.set(step, rest.length === 0 ? (value ?? null) : written(entries.get(step) ?? {}, rest, value))
  return Object.fromEntries(entries)
}

function isPlain(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
