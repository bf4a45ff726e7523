import { CheqpointError } from '../../model/errors.js'
import { redisWord, storeError } from './errors.js'
import type { Script } from './scripts.js'

/** A command and its operands. Not readonly, because the types of some clients require a mutable array. */
export type Command = [name: string, ...operands: string[]]

/**
 * Sends one command and resolves with the raw reply: strings, integers, `null`, and arrays of these; rejects with the
 * error of Redis or of the client. A cluster client sends the command to the primary of `key`.
 */
export type SendCommand = (args: Command, key: string) => Promise<unknown>

type Replicas = { readonly atLeast: number; readonly timeoutMs: number }

/** Sends commands and runs scripts. Turns every failure into a coded error without the command's arguments. */
export class RedisLink {
  readonly #send: SendCommand
  readonly #replicas: Replicas

  constructor(send: SendCommand, replicas: Replicas) {
    this.#send = send
    this.#replicas = replicas
  }

  /** Sends one command. */
  async send(args: Command, key: string): Promise<unknown> {
    try {
      return thrown(await this.#send(args, key))
    } catch (error) {
      throw storeError(error)
    }
  }

  /** Runs a script on the node of its first key: by digest, or by source if the server does not know the digest. */
  async run(script: Script, keys: readonly [string, ...string[]], args: readonly string[]): Promise<unknown> {
    const operands = [String(keys.length), ...keys, ...args]
    try {
      return thrown(await this.#send(['EVALSHA', script.sha, ...operands], keys[0]))
    } catch (error) {
      // Only NOSCRIPT guarantees that nothing was executed.
      if (redisWord(error) !== 'NOSCRIPT') throw storeError(error)
      return this.send(['EVAL', script.source, ...operands], keys[0])
    }
  }

  /** Waits until enough replicas have this connection's writes. After `store-unavailable` a write may still be kept. */
  async replicate(key: string): Promise<void> {
    const { atLeast, timeoutMs } = this.#replicas
    if (atLeast === 0) return
    const copies = asInteger(await this.send(['WAIT', String(atLeast), String(timeoutMs)], key))
    if (copies >= atLeast) return
    const had = `${copies} of ${atLeast} replicas had the write within ${timeoutMs} ms`
    throw new CheqpointError('store-unavailable', `${had}; the write may be kept, and can be repeated`)
  }
}

/** The reply; some clients return an error instead of throwing it. */
function thrown(reply: unknown): unknown {
  if (reply instanceof Error) throw reply
  return reply
}

// Checks of the shape of replies. They throw `store-response`: the server sends no other shape, so the client changed it.

export function asArray(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply
  throw wrongReply(reply, 'an array')
}

export function asText(item: unknown): string {
  if (typeof item === 'string') return item
  throw wrongReply(item, 'a string')
}

/** Reads an integer. Clients can be configured to return integers as text or bigint, which are as exact. */
export function asInteger(item: unknown): number {
  const isText = typeof item === 'string' && /^-?\d{1,16}$/.test(item)
  const integer = isText || typeof item === 'bigint' ? Number(item) : item
  if (typeof integer === 'number' && Number.isSafeInteger(integer)) return integer
  throw wrongReply(item, 'an integer')
}

/** The error for a reply of the wrong shape. Never shows the reply. */
export function wrongReply(item: unknown, wanted: string): CheqpointError {
  let shape: string = item === null ? 'null' : `a ${typeof item}`
  if (item === undefined) shape = 'nothing (return the promise of your client)'
  else if (item instanceof Uint8Array) shape = 'bytes (use the client method that returns strings)'
  else if (Array.isArray(item)) shape = 'an array (return only the reply, not a list of replies)'
  else if (shape === 'a object') shape = 'a decoded object (return the raw reply of your client)'
  return new CheqpointError('store-response', `sendCommand returned ${shape}, but Redis replies with ${wanted}`)
}
