import { types } from 'node:util'
import { isPlainObject, type JsonText, maxDepth } from '../util/json.js'
import { CheqpointError } from './errors.js'

/** JSON text of a value. Throws `not-json`, with the first place that JSON would lose or change. */
export function writeJson(value: unknown, name: string): JsonText {
  const fault = findFault(value, name, new Set())
  if (fault !== null) throw new CheqpointError('not-json', fault)
  return JSON.stringify(value)
}

/** What JSON would lose or change, in words, or `null`. */
function findFault(value: unknown, at: string, above: Set<object>): string | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null
  if (typeof value === 'number') return Number.isFinite(value) ? null : `${at} is a number that JSON does not have`
  if (typeof value !== 'object') return `${at} is of type ${typeof value}, which JSON does not have`
  if (above.has(value)) return `${at} contains itself`
  if (above.size >= maxDepth) return `${at} is nested deeper than ${maxDepth} levels`
  if (!Array.isArray(value) && !isPlainObject(value)) return `${at} is ${kindOf(value)}; convert it to plain JSON`
  above.add(value)
  // The entries of a list include its holes, which JSON would fill.
  for (const [key, each] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    // JSON leaves out a property that is undefined, which changes nothing.
    const fault = each === undefined && !Array.isArray(value) ? null : findFault(each, `${at}.${key}`, above)
    if (fault !== null) return fault
  }
  above.delete(value)
  return null
}

/** What an object that is not plain is, without asking it. */
function kindOf(value: object): string {
  if (types.isDate(value)) return 'a Date'
  if (types.isMap(value) || types.isSet(value)) return types.isMap(value) ? 'a Map' : 'a Set'
  return types.isPromise(value) ? 'a promise that was not awaited' : 'not a plain object'
}
