import { isUtf8 } from 'node:buffer'

/** What JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** A JSON object. Its keys are data: `__proto__` is one like any other. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** JSON text. Stores keep it as it is and never parse it. */
export type JsonText = string

/** A response with more levels is unreadable: serializers recurse, and a decision must be stored. */
export const maxDepth = 64

/** Bytes as text, or `null` if they are not UTF-8: decoding would silently replace the invalid ones. */
export function readUtf8(bytes: Uint8Array): string | null {
  if (!isUtf8(bytes)) return null
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString()
}

/** Parses JSON of at most {@link maxDepth} levels. Throws `SyntaxError` on anything else. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  if (!isWithin(value, maxDepth)) throw new SyntaxError(`JSON nested deeper than ${maxDepth} levels`)
  return value
}

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  const fields: Readonly<Record<string, unknown>> = Object(value)
  for (const name in fields) if (!isWithin(fields[name], levels - 1)) return false
  return true
}

/** Whether a JSON value is an object rather than an array or a scalar. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function readJson(text: JsonText): JsonValue {
  // JSON.parse yields nothing but JSON values.
  return JSON.parse(text) as JsonValue
}

/** Reads stored JSON to show it: `null` if nothing was stored, or if it is damaged, since an error would quote it. */
export function showJson(text: JsonText | null): JsonValue {
  try {
    return text === null ? null : readJson(text)
  } catch {
    return null
  }
}

/** Equality of JSON values, in any order of their keys. */
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

/** Whether an object is a plain one, in any realm: `vm` and test runners have prototypes of their own. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** JSON text that is the same for equal values, in any order of their keys. */
export function canonicalJson(value: JsonValue): JsonText {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const parts = Object.keys(value)
    .sort()
    // Its own keys have values.
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`)
  return `{${parts.join(',')}}`
}

/** Freezes a JSON value in depth, and returns it. A frozen object is taken to be frozen in depth. */
export function freezeJson<Value extends JsonValue>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  // A third of the cost of `Object.values`.
  for (const name in fields) if (typeof fields[name] === 'object') freezeJson(fields[name])
  return Object.freeze(value)
}

/** The same JSON value if nothing in it can change, otherwise a copy of which that is true. */
export function frozenJson<Value extends JsonValue>(value: Value): Value {
  return isFrozenJson(value) ? value : freezeJson(structuredClone(value))
}

function isFrozenJson(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (!Object.isFrozen(value)) return false
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  for (const name in fields) if (typeof fields[name] === 'object' && !isFrozenJson(fields[name])) return false
  return true
}
