import { CheqpointError, type ErrorCode } from '../../model/errors.js'

/** Commands that the Redis user must be allowed to run, on keys that start with `{` and the prefix. */
export const requiredCommands: readonly string[] =
  'eval evalsha time get getex getrange exists set del dump pttl pexpire zadd zrem zrange zscore zcard'.split(' ')

/** Optional commands: `wait` is for `minReplicas`, the others for `check()`, which warns if they are not allowed. */
export const optionalCommands: readonly string[] = ['wait', 'info', 'config|get']

const known = [...requiredCommands, ...optionalCommands]
const rights = known.map((name) => `+${name}`).join(' ')
const cluster = 'it is a cluster; use a cluster client (ioredis: 5.11 or newer), and route by the given key'

/** Code and explanation by the first word of a Redis error. */
const meanings: Readonly<Record<string, readonly [ErrorCode, string] | undefined>> = {
  OOM: ['store-full', 'it is out of memory and accepts no new entries; raise maxmemory'],
  MISCONF: ['store-unavailable', 'it cannot write to its disk, and accepts no writes; free disk space'],
  READONLY: ['store-unavailable', 'this node is or was a replica; if this lasts, connect to its primary'],
  NOAUTH: ['store-unsuitable', 'it requires a password; set it in your Redis client'],
  WRONGPASS: ['store-unsuitable', 'the user name or password is wrong; correct it in your Redis client'],
  NOPERM: ['store-unsuitable', `its user lacks rights; allow ${rights} on keys that start with { and the prefix`],
  MOVED: ['store-unsuitable', cluster],
  ASK: ['store-unsuitable', cluster],
  CROSSSLOT: ['store-unsuitable', cluster],
  WRONGTYPE: ['store-response', 'a key of the prefix was not written by this library; choose another prefix'],
}
const notKnown = 'must be 6.2 or newer, and sendCommand must pass on every element of args, in order, and nothing else'
const notCalled = 'pass the command to your Redis client as the documentation of redisStore shows'

/** Error words that GLIDE renames. */
const ofGlide = ['NoScriptError', 'PermissionDenied', 'ResponseError', 'ReadOnly']
const ofRedis = ['NOSCRIPT', 'NOPERM', 'ERR', 'READONLY']

/** Returns the first word of a Redis error, or `null` for any other error. */
export function redisWord(error: unknown): string | null {
  const message = error instanceof Error ? error.message : ''
  if (message.includes('same slots allocation group')) return 'CROSSSLOT'
  if (/ACL failure in script|executing the script can't|can't access at least one of the keys/.test(message))
    return 'NOPERM'
  // Servers before 7.0 wrap errors of commands in scripts; GLIDE adds a prefix.
  const text = message.replace(/^(ERR Error running script .*@user_script: ?\d+: |An error was signalled .*?: - )/s, '')
  const word = /^-?([A-Za-z]{2,}):?(?: |$)/.exec(text)?.[1] ?? ''
  return ofRedis[ofGlide.indexOf(word)] ?? (/^[A-Z]+$/.test(word) ? word : null)
}

/**
 * Turns an error of Redis or its client into a coded one. Possibly temporary errors become `store-unavailable`. The
 * client's error is not attached, because clients add the command's arguments to it.
 */
export function storeError(error: unknown): CheqpointError {
  const { message = '', code }: Partial<NodeJS.ErrnoException> = error instanceof Error ? error : {}
  const word = redisWord(error)
  if (word === null) {
    if (error instanceof TypeError)
      return new CheqpointError('store-unsuitable', `sendCommand threw a TypeError: ${notCalled}`)
    // Only names and codes: other text could quote the command.
    const name = error instanceof Error ? error.constructor.name : typeof error
    const kind = code !== undefined && /^[A-Z][A-Z_]{1,40}$/.test(code) ? code : name
    const fix = 'check that it runs, its host and port, and that the client is connected'
    return new CheqpointError('store-unavailable', `Redis did not answer (${kind}); ${fix}`)
  }
  if (word === 'ERR' && /unknown (redis )?command|wrong number of arguments|syntax error/i.test(message))
    return new CheqpointError('store-unsuitable', `Redis answered ERR, and does not know a command: it ${notKnown}`)
  const [meaning, text] = meanings[word] ?? ['store-unavailable', 'it cannot execute this now']
  const refused = known.find((name) => word === 'NOPERM' && message.toLowerCase().includes(`'${name}'`))
  return new CheqpointError(meaning, `Redis answered ${word}${refused ? ` to ${refused}` : ''}: ${text}`)
}
