import { CheqpointError, type ErrorCode } from '../../model/errors.js'

/**
 * The word that Redis starts an error with, or `null` where something else went wrong. Servers before 7.0 wrap the
 * errors of commands in scripts; the word is found there too.
 */
export function redisWord(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const wrapped = /^ERR Error running script .*@user_script: ?\d+: -?([A-Z]{2,}) /s.exec(error.message)
  return (wrapped ?? /^-?([A-Z]{2,})(?: |$)/.exec(error.message))?.[1] ?? null
}

const commands =
  '+eval +evalsha +time +get +set +del +pttl +pexpire +zadd +zrem +zscore +zrank +zcard +zcount +zrange +wait +info +config|get'

const clusterHint = 'use a cluster client, and let the key that sendCommand is given choose the node'

const meanings: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['OOM', ['store-full', 'it is out of memory and takes no new records; raise maxmemory']],
  ['NOAUTH', ['store-unsuitable', 'it wants a password; give it to your Redis client']],
  ['WRONGPASS', ['store-unsuitable', 'user name or password are wrong; correct them in your Redis client']],
  [
    'NOPERM',
    [
      'store-unsuitable',
      `its user lacks a command or a key; allow it ${commands} on keys that start with { and the prefix`,
    ],
  ],
  [
    'READONLY',
    ['store-unavailable', 'this node is a replica, or was one a moment ago; if that lasts, connect to its primary'],
  ],
  ['MOVED', ['store-unsuitable', `it is a cluster; ${clusterHint}`]],
  ['ASK', ['store-unsuitable', `it is a cluster; ${clusterHint}`]],
  ['CROSSSLOT', ['store-unsuitable', `it is a cluster; ${clusterHint}`]],
  ['WRONGTYPE', ['store-answer', 'a key of the prefix holds what this library did not write; choose another prefix']],
])

/**
 * What went wrong with a command, by what Redis or its client said. Anything that may pass is `store-unavailable`:
 * READONLY, LOADING, BUSY, MASTERDOWN, CLUSTERDOWN, TRYAGAIN, lost connections, time-outs. The error of the client is
 * not passed on, because clients attach a command's arguments to it.
 */
export function storeError(error: unknown): CheqpointError {
  const word = redisWord(error)
  const meaning = word === null ? undefined : meanings.get(word)
  if (meaning !== undefined) return new CheqpointError(meaning[0], `Redis answered ${word}: ${meaning[1]}`)
  if (word === 'ERR') return replyError((error as Error).message)
  if (word !== null) return new CheqpointError('store-unavailable', `Redis answered ${word}: it cannot do this for now`)
  if (error instanceof TypeError) {
    return new CheqpointError(
      'store-unsuitable',
      'sendCommand threw a TypeError: hand the command to your Redis client as one of the lines in the documentation of redisStore does',
    )
  }
  return new CheqpointError('store-unavailable', `Redis did not answer (${kindOf(error)})`)
}

function replyError(message: string): CheqpointError {
  if (!/unknown (redis )?command|wrong number of arguments|syntax error/i.test(message)) {
    return new CheqpointError('store-unavailable', 'Redis answered ERR: it did not do this')
  }
  return new CheqpointError(
    'store-unsuitable',
    'Redis answered ERR: it does not know a command; it must be 6.2 or newer, and sendCommand must pass on every element of args, in order, and nothing else',
  )
}

/** The code or class of a client's error: words of programs, never text that could quote a command. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[A-Z][A-Z_]{1,40}$/.test(code) ? code : error.constructor.name
}
