import { types } from 'node:util'
import { CheqpointError } from '../model/errors.js'
import { closest } from '../util/closest.js'
import { isPlainObject } from '../util/json.js'

/** Properties before their check. */
export type Given = Readonly<Record<string, unknown>>
/** Names that an object may have. */
export type Names<Options> = readonly (keyof Options)[]
/** What the value belongs to, which decides the code of the error. */
export type Kind = 'option' | 'argument'

/** Reads one option: its value, or the default. */
export type Read<Value> = (value: unknown, path: string) => Value
/** How each option of a group is read. */
export type Table<Values> = { readonly [Name in keyof Values]-?: Read<Values[Name]> }

/** Reads a group of options by its table of all known names. */
export function readGroup<Values>(value: unknown, path: string, table: Table<Values>): Values {
  const given = group(value, path, Object.keys(table))
  const entries = Object.entries<Read<unknown>>(table)
  const values = entries.map(([name, read]) => [name, read(given[name], path === '' ? name : `${path}.${name}`)])
  // Each name of the table has the value that its reader gave.
  return Object.fromEntries(values) as Values
}

/** An object of options or arguments. Throws for unknown names. */
export function group(value: unknown, path: string, known?: readonly string[], kind: Kind = 'option'): Given {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path === '' ? 'options' : path, value, 'an object', kind)
  if (isContainer(value))
    throw invalid(path === '' ? 'options' : path, value, 'an object with properties, not a Map, Set or Date', kind)
  const name = Object.keys(value).find((each) => known?.includes(each) === false)
  if (known === undefined || name === undefined) return value as Given
  const meant = closest(name, known)
  const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`
  const rest = `is not known${hint}; known are: ${known.join(', ')}`
  if (kind === 'argument') throw new CheqpointError('argument-invalid', `${name} of ${path} ${rest}`)
  throw new CheqpointError('option-unknown', `option ${path === '' ? name : `${path}.${name}`} ${rest}`)
}

/** Whether the content of an object is not in its properties, so that it would look like one without options. */
function isContainer(value: object): boolean {
  return Symbol.iterator in value || types.isDate(value) || types.isPromise(value)
}

/** Refuses a client, or its URL, in place of options that say how to call it. Throws `option-invalid`. */
export function refuseClient(given: unknown, call: string, rightCall: string): void {
  const isInstance =
    typeof given === 'object' && given !== null && !Array.isArray(given) && !isPlainObject(given) && !isContainer(given)
  if (typeof given === 'string' || typeof given === 'function' || (isInstance && !Object.hasOwn(given, call)))
    throw new CheqpointError('option-invalid', `options are an object, not a client or its URL; call ${rightCall}`)
}

/** Reads a whole number within bounds, or the default. */
export function whole(fallback: number, least: number, most: number, kind: Kind = 'option'): Read<number> {
  return (value, path) => {
    if (value === undefined) return fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      throw invalid(path, value, `a whole number from ${least} to ${most}`, kind)
    return value
  }
}

/** A whole number within bounds, or the default. */
export function number(value: unknown, path: string, fallback: number, least: number, most: number): number {
  return whole(fallback, least, most)(value, path)
}

/** Reads requests per second. */
export function rate(fallback: number): Read<number> {
  return (value = fallback, path) => {
    if (typeof value !== 'number' || !(value > 0)) throw invalid(path, value, 'a number above 0, or Infinity')
    return value
  }
}

/** One of these words; the first is the default. */
export function oneOf<const One extends string>(value: unknown, path: string, words: readonly [One, ...One[]]): One {
  if (value === undefined) return words[0]
  const word = words.find((each) => each === value)
  if (word === undefined) throw invalid(path, value, `one of ${words.map((each) => `'${each}'`).join(', ')}`)
  return word
}

/** A function or `undefined`. Its parameters and result are not checked. */
export function optionalFunction(
  value: unknown,
  path: string,
  kind: Kind = 'option',
): ((...args: never[]) => unknown) | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'function') throw invalid(path, value, 'a function', kind)
  // The parameters of a function cannot be checked at run time.
  return value as (...args: never[]) => unknown
}

/** An object that has these methods. What they do cannot be checked before they are called. */
export function withMethods<Value>(
  value: unknown,
  path: string,
  methods: readonly (keyof Value & string)[],
  allowed: string,
): Value {
  if (!methods.every((name) => typeof Object(value)[name] === 'function')) throw invalid(path, value, allowed)
  return value as Value
}

/** The error for a value that is not allowed. It shows numbers, and the type of others, which may be secrets. */
export function invalid(path: string, given: unknown, allowed: string, kind: Kind = 'option'): CheqpointError {
  const shown = typeof given === 'number' ? String(given) : `a value of type ${given === null ? 'null' : typeof given}`
  const place = kind === 'option' ? `option ${path}` : path
  return new CheqpointError(`${kind}-invalid`, `${place} must be ${allowed}; it was ${shown}`)
}

/** An object of arguments of a method. Throws `argument-invalid` for unknown names. */
export function argumentGroup(value: unknown, of: string, known: readonly string[]): Given {
  return group(value, `what is given to ${of}`, known, 'argument')
}

/** A whole number within bounds, or the default. Throws `argument-invalid`. */
export function argumentNumber(value: unknown, name: string, fallback: number, least: number, most: number): number {
  return whole(fallback, least, most, 'argument')(value, name)
}

/** An AbortSignal of any realm, or `undefined`. Throws `argument-invalid`. */
export function argumentSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const { aborted, addEventListener }: Given = Object(value)
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    throw invalid('signal', value, 'an AbortSignal, such as controller.signal', 'argument')
  // Its members that are used were checked.
  return value as AbortSignal
}
