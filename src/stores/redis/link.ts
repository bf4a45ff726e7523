import { CheqpointError } from '../../model/errors.js'
import { redisWord, storeError } from './errors.js'
import type { Script } from './scripts.js'

/** A command and its operands. Not readonly, because the types of some clients demand that. */
export type Command = [name: string, ...operands: string[]]

/**
 * Sends one command and resolves with the raw reply: strings, integers, `null`, and arrays of these; rejects with the
 * error of Redis or of the client. A cluster client sends the command to the primary of `key`.
 */
export type SendCommand = (args: Command, key: string) => Promise<unknown>

type Replicas = { readonly atLeast: number; readonly timeoutMs: number }

/** Runs scripts, and turns every failure into a coded error that holds no argument of the command. */
export class RedisLink {
  readonly #send: SendCommand
  readonly #replicas: Replicas

  constructor(send: SendCommand, replicas: Replicas) {
    // Some clients hand an error over as a value.
    this.#send = async (args, key) => {
      const reply: unknown = await send(args, key)
      if (reply instanceof Error) throw reply
      return reply
    }
    this.#replicas = replicas
  }

  /** Sends one command. */
  async send(args: Command, key: string): Promise<unknown> {
    return this.#send(args, key).catch((error: unknown) => Promise.reject(storeError(error)))
  }

  /** Runs a script, whose first key leads to the node: by its digest, and where that is not known there, by its source. */
  async run(script: Script, keys: readonly [string, ...string[]], args: readonly string[]): Promise<unknown> {
    const operands = [String(keys.length), ...keys, ...args]
    try {
      return await this.#send(['EVALSHA', script.sha, ...operands], keys[0])
    } catch (error) {
      // NOSCRIPT alone says for sure that nothing happened.
      if (redisWord(error) !== 'NOSCRIPT') throw storeError(error)
      return this.send(['EVAL', script.source, ...operands], keys[0])
    }
  }

  /** Waits until enough replicas have what this connection wrote. Rejects with `store-unavailable`; the write may stand then. */
  async replicate(key: string): Promise<void> {
    const { atLeast, timeoutMs } = this.#replicas
    if (atLeast === 0) return
    const copies = asInteger(await this.send(['WAIT', String(atLeast), String(timeoutMs)], key))
    if (copies >= atLeast) return
    const had = `${copies} of ${atLeast} replicas had a write within ${timeoutMs} ms`
    throw new CheqpointError('store-unavailable', `${had}; it may stand, and can be repeated`)
  }
}

// Replies as what they must be. All of these throw `store-answer`: what the server never sends is the client's doing.

export function asArray(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply
  throw wrongReply(reply, 'an array')
}

export function asText(item: unknown): string {
  if (typeof item === 'string') return item
  throw wrongReply(item, 'a string')
}

/** Clients can be set to give integers as text, or as bigint; both are as exact. */
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
  else if (item instanceof Uint8Array) shape = 'bytes (use the method of your client that answers with strings)'
  else if (Array.isArray(item)) shape = 'an array (return the reply alone, not a list of replies)'
  else if (shape === 'a object') shape = 'a decoded object (return the raw reply of your client)'
  return new CheqpointError('store-answer', `sendCommand gave back ${shape} where Redis answers ${wanted}`)
}
