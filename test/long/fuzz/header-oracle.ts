import { agent } from './bench.js'
import { maxBodyBytes } from './bodies.js'
import type { HeaderPairs } from './headers.js'

/** The allowed results for headers; both, if the documents allow two interpretations. */
export function deserved(method: string, pairs: HeaderPairs): readonly string[] {
  const values = (name: string): readonly string[] =>
    pairs.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
  if (method !== 'POST') return ['405 method-not-allowed']
  const agents = values('user-agent')
  if (agents.length !== 1 || agents[0] !== agent) return ['403 agent-refused']
  const media = both(isJsonType(values('content-type')), isPlain(values('content-encoding')))
  const length = lengthAnswer(values('content-length'))
  if (media === 'no') return ['415 media-type-refused']
  return media === 'yes' ? length : ['415 media-type-refused', ...length]
}

type Verdict = 'yes' | 'no' | 'either'

function both(a: Verdict, b: Verdict): Verdict {
  if (a === 'no' || b === 'no') return 'no'
  return a === 'yes' && b === 'yes' ? 'yes' : 'either'
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const parameter = `[ \\t]*;[ \\t]*(${token})=(${token}|"(?:[^"\\\\]|\\\\.)*")`
const mediaType = new RegExp(`^(${token})/(${token})((?:${parameter})*)$`)

/** One media type that is JSON, with UTF-8 as charset if given (RFC 9110, section 8.3). */
function isJsonType(values: readonly string[]): Verdict {
  const [value] = values
  if (value === undefined) return 'yes'
  if (values.length > 1) return 'no'
  // A list of types is invalid; a comma within quotes does not make a list.
  if (value.includes(',')) return value.includes('"') ? 'either' : 'no'
  // The regular expression would be slow on long invalid input.
  const parts = value.length > 500 ? null : mediaType.exec(value.toLowerCase())
  if (parts === null) return /^application\/[^;]*json/i.test(value) ? 'either' : 'no'
  const [, type, subtype = '', rest = ''] = parts
  if (type !== 'application' || !(subtype === 'json' || subtype.endsWith('+json'))) return 'no'
  const charsets = [...rest.matchAll(new RegExp(parameter, 'g'))].filter(([, name]) => name === 'charset')
  return charsets.every(([, , charset = '']) => ['utf-8', 'utf8'].includes(charset.replaceAll('"', ''))) ? 'yes' : 'no'
}

function isPlain(values: readonly string[]): Verdict {
  const codings = values.flatMap((value) => value.split(',')).map((coding) => coding.trim().toLowerCase())
  if (codings.some((coding) => coding !== 'identity' && coding !== '')) return 'no'
  // An empty element of a list may be ignored or refused.
  return codings.includes('') ? 'either' : 'yes'
}

function lengthAnswer(values: readonly string[]): readonly string[] {
  if (values.some((value) => value === '' || [...value].some((digit) => digit < '0' || digit > '9')))
    return ['400 malformed']
  const tooLarge = values.some((value) => BigInt(value) > BigInt(maxBodyBytes))
  // Joined repeated headers are not a number.
  if (values.length > 1) return ['400 malformed', tooLarge ? '413 body-too-large' : '200 handled']
  return [tooLarge ? '413 body-too-large' : '200 handled']
}
