import type { Json, JsonMap } from '../view.js'

/** A difference between two JSON values. `undefined` in `before` means added, in `after` removed. */
export interface Change {
  readonly path: readonly string[]
  readonly before: Json | undefined
  readonly after: Json | undefined
}

/** Lists the changes of an edit by key, in the order of the original. The order of keys is ignored. */
export function changesBetween(
  before: Json | undefined,
  after: Json | undefined,
  path: readonly string[] = [],
): readonly Change[] {
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    // Maps, because a key may be `__proto__`.
    const [old, young] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
    const keys = new Set([...old.keys(), ...young.keys()])
    return [...keys].flatMap((key) => changesBetween(old.get(key), young.get(key), [...path, key]))
  }
  return before === after ? [] : [{ path, before, after }]
}

function isBranch(value: Json | undefined): value is JsonMap | readonly Json[] {
  return typeof value === 'object' && value !== null
}
