import { CheqpointError } from '../model/errors.js'
import { closest } from '../util/closest.js'

/** An object of options with no names but the known ones. */
export function group(value: unknown, path: string, known?: readonly string[]): Readonly<Record<string, unknown>> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path || 'options', value, 'an object')
  for (const name of known === undefined ? [] : Object.keys(value)) {
    if (known?.includes(name)) continue
    const full = path === '' ? name : `${path}.${name}`
    const hint = didYouMean(name, known ?? [])
    throw new CheqpointError('option-unknown', `option ${full} is not known${hint}; known are: ${known?.join(', ')}`)
  }
  return value as Readonly<Record<string, unknown>>
}

/** A whole number within bounds, or the default where nothing was given. */
export function number(value: unknown, path: string, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalid(path, value, `a whole number from ${least} to ${most}`)
  }
  return value
}

/** Requests per second. */
export function rate(value: unknown, path: string, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value > 0)) throw invalid(path, value, 'a number above 0, or Infinity')
  return value
}

/** One of a few words, the first where nothing was given. */
export function oneOf<const Word extends string>(
  value: unknown,
  path: string,
  words: readonly [Word, ...Word[]],
): Word {
  if (value === undefined) return words[0]
  const word = words.find((each) => each === value)
  if (word === undefined) throw invalid(path, value, `one of ${words.map((each) => `'${each}'`).join(', ')}`)
  return word
}

/** A function, or `undefined` where nothing was given. What it takes and returns is the caller's word. */
export function optionalFunction(value: unknown, path: string): ((...args: never[]) => unknown) | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'function') throw invalid(path, value, 'a function')
  // typeof has just told; a function's parameters cannot be checked at run time.
  return value as (...args: never[]) => unknown
}

/** The error for a value that is not allowed. Shows numbers, and of all else its type: given by mistake, it may be a secret. */
export function invalid(path: string, given: unknown, allowed: string): CheqpointError {
  const shown = typeof given === 'number' ? String(given) : `a value of type ${given === null ? 'null' : typeof given}`
  return new CheqpointError('option-invalid', `option ${path} must be ${allowed}; it was ${shown}`)
}

/** An argument of a method with no names but the known ones. Throws `argument-invalid`. */
export function argumentGroup(value: unknown, of: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CheqpointError('argument-invalid', `${of} takes an object`)
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      const message = `${of} does not know ${name}${didYouMean(name, known)}; known are: ${known.join(', ')}`
      throw new CheqpointError('argument-invalid', message)
    }
  }
  return value as Readonly<Record<string, unknown>>
}

/** A whole number within bounds, or the default where nothing was given. Throws `argument-invalid`. */
export function argumentNumber(value: unknown, name: string, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    throw new CheqpointError('argument-invalid', `${name} must be a whole number from ${least} to ${most}`)
  return value
}

/** An AbortSignal of any realm, or nothing. Throws `argument-invalid`. */
export function argumentSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const { aborted, addEventListener }: { readonly aborted?: unknown; readonly addEventListener?: unknown } =
    Object(value)
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    throw new CheqpointError('argument-invalid', 'signal must be an AbortSignal, such as controller.signal')
  // What it must have of one was checked.
  return value as AbortSignal
}

/** The known name that was probably meant, as the end of a sentence; empty where none is close. */
function didYouMean(given: string, known: readonly string[]): string {
  const name = closest(given, known)
  return name === undefined ? '' : ` (did you mean ${name}?)`
}
