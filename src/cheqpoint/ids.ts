import { invalid } from '../options/option-checks.js'

/**
 * Tells whether a text is an approval id: the pattern must match all of it. Whatever the pattern, an id is printable
 * ASCII without `/ \ % ? #`, is not dots alone and has at most 512 characters, so that it enters a path unchanged.
 * Throws `option-invalid` for a pattern that is seen to admit another path.
 */
export function idMatcher(pattern: unknown = /[A-Za-z0-9_-]{1,128}/): (id: string) => boolean {
  if (!(pattern instanceof RegExp)) throw invalid('idPattern', pattern, 'a regular expression')
  // Without g and y, which remember a position. An m does no harm, since no id has a line break.
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, ''))
  const admitted = pathTricks.find((trick) => whole.test(trick))
  if (admitted !== undefined) throw invalid('idPattern', pattern.source, `a pattern that does not admit ${admitted}`)
  return (id) => typeof id === 'string' && printable.test(id) && !pathTrick.test(id) && whole.test(id)
}

const printable = /^[!-~]{1,512}$/
const pathTrick = /[/\\%?#]|^\.+$/
const pathTricks = ['.', '..', '...', ...['/', '\\', '%', '?', '#'].flatMap((c) => [c, `a${c}`, `${c}a`, `a${c}a`])]
