import { isUtf8 } from 'node:buffer'
import { types } from 'node:util'

/** What JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** A JSON object. Its keys are data: `__proto__` is one like any other. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Text that holds JSON. Stores keep it as it is and never parse it. */
export type JsonText = string

/** Deeper than this, an answer is unreadable: serializers recurse, and a decision must be stored. */
export const maxDepth = 64

/** Bytes as text, or `null` where they are no UTF-8: decoding would silently replace the broken ones. */
export function readUtf8(bytes: Uint8Array): string | null {
  if (!isUtf8(bytes)) return null
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString()
}

/** Parses JSON of at most {@link maxDepth} levels. Throws `SyntaxError` on anything else. */
export function parseJson(text: string): unknown {
  // Most answers have not even as many brackets as there may be levels.
  if (!hasMore(text, maxDepth)) return JSON.parse(text)
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) throw new SyntaxError(`JSON nested deeper than ${maxDepth} levels`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return JSON.parse(text)
}

/** Whether a text has more than `most` opening brackets, in strings too. */
function hasMore(text: string, most: number): boolean {
  let left = most
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (--left < 0) return true
  }
  return false
}

/** Whether a JSON value is an object rather than an array or a scalar. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function readJson(text: JsonText): JsonValue {
  // JSON.parse yields nothing but JSON values.
  return JSON.parse(text) as JsonValue
}

/** Reads kept JSON to show it: `null` where nothing was kept, or where it is damaged, since an error would quote it. */
export function showJson(text: JsonText | null): JsonValue {
  try {
    return text === null ? null : readJson(text)
  } catch {
    return null
  }
}

/** Equality of JSON values, whatever the order of their keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => {
    // Both are objects here; arrays are compared by index.
    const left = a as Record<string, unknown>
    const right = b as Record<string, unknown>
    return Object.hasOwn(right, key) && sameJson(left[key], right[key])
  })
}

/** Whether an object is one of a literal, in whichever realm: `vm` and test runners have prototypes of their own. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether a value is a Date, in whichever realm. */
export function isDate(value: unknown): value is Date {
  return types.isDate(value)
}

/** JSON text that is the same for values that are equal, whatever the order of their keys. */
export function canonicalJson(value: JsonValue): JsonText {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const parts = Object.keys(value)
    .sort()
    // Its own keys have values.
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`)
  return `{${parts.join(',')}}`
}

/** Freezes a JSON value in depth, and returns it. What is frozen already is left as it is. */
export function freezeJson<Value extends JsonValue>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  // Without a list of all values, this costs a third.
  for (const name in fields) if (typeof fields[name] === 'object') freezeJson(fields[name])
  return Object.freeze(value)
}

/** The same JSON value if nothing in it can change, otherwise a copy of which that is true. */
export function frozenJson<Value extends JsonValue>(value: Value): Value
export function frozenJson(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || isFrozenJson(value)) return value
  if (Array.isArray(value)) return Object.freeze(value.map((each) => frozenJson(each)))
  // Not by assignment, which would take a key `__proto__` for the prototype.
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, each]) => [key, frozenJson(each)])))
}

function isFrozenJson(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (!Object.isFrozen(value)) return false
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  for (const name in fields) if (typeof fields[name] === 'object' && !isFrozenJson(fields[name])) return false
  return true
}
