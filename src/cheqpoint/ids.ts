import { types } from 'node:util'
import { CheqpointError } from '../model/errors.js'
import { invalid } from '../options/option-checks.js'

/**
 * Tells whether a text is an approval id: the pattern must match all of it. With any pattern, an id is printable ASCII
 * without `/ \ % ? #`, is not dots alone and has at most 512 characters, so that it cannot change a path. Throws
 * `option-invalid` for anything but a regular expression.
 */
export function idMatcher(pattern: unknown = /[A-Za-z0-9_-]{1,128}/): (id: string) => boolean {
  if (!types.isRegExp(pattern)) throw invalid('idPattern', pattern, 'a regular expression')
  // Without g and y, which keep a position. An m has no effect, since no id has a line break.
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, ''))
  return (id) => typeof id === 'string' && printable.test(id) && !pathTrick.test(id) && whole.test(id)
}

/** The error for what is no approval id. It does not quote a text, which may be a secret. */
export function invalidId(given: unknown): CheqpointError {
  if (typeof given === 'string') return new CheqpointError('id-invalid', 'the approval id does not match idPattern')
  const what = types.isPromise(given) ? 'a promise; await it' : `of type ${given === null ? 'null' : typeof given}`
  return new CheqpointError('id-invalid', `the approval id must be a text, such as submit() gives; it was ${what}`)
}

const printable = /^[!-~]{1,512}$/
const pathTrick = /[/\\%?#]|^\.+$/
