import { CheqpointError } from '../../model/errors.js'
import { redisWord, storeError } from './errors.js'
import { asInteger, Reply } from './replies.js'
import type { Script } from './scripts.js'

/** A command and its operands. Not readonly, because the types of some clients demand that. */
export type Command = [name: string, ...operands: string[]]

/**
 * Sends one command and resolves with the raw reply: strings, integers, `null`, and arrays of these; rejects with the
 * error of Redis or of the client. `key` is one of the command's keys, or stands in the place of the data that it is
 * about: a cluster client sends the command to that key's node.
 */
export type SendCommand = (args: Command, key: string) => Promise<unknown>

/** The keys of one script call. The first one leads to the node. */
export type Keys = readonly [string, ...string[]]

export interface Replicas {
  readonly atLeast: number
  readonly timeoutMs: number
}

/** The way to Redis: runs scripts, and turns every failure into a coded error. */
export class RedisLink {
  readonly #send: SendCommand
  readonly #replicas: Replicas

  constructor(send: SendCommand, replicas: Replicas) {
    this.#send = send
    this.#replicas = replicas
  }

  /** Sends one command. Rejects with a {@link CheqpointError} that holds none of its arguments. */
  async send(args: Command, key: string): Promise<unknown> {
    try {
      return replyOf(await this.#send(args, key))
    } catch (error) {
      throw storeError(error)
    }
  }

  /** Runs a script: by its digest, and where the server does not know that one, once by its source. */
  async run(script: Script, keys: Keys, args: readonly string[]): Promise<Reply> {
    const operands = [String(keys.length), ...keys, ...args]
    try {
      try {
        return new Reply(replyOf(await this.#send(['EVALSHA', script.sha, ...operands], keys[0])))
      } catch (error) {
        // NOSCRIPT alone says for sure that nothing happened.
        if (redisWord(error) !== 'NOSCRIPT') throw error
        return new Reply(replyOf(await this.#send(['EVAL', script.source, ...operands], keys[0])))
      }
    } catch (error) {
      if (error instanceof CheqpointError) throw error
      if (redisWord(error) === 'WRONGTYPE') return new Reply(['unreadable'])
      throw storeError(error)
    }
  }

  /**
   * Runs a script whose effect is acknowledged to the caller, and waits for as many replicas as were asked for.
   * Rejects with `store-unavailable` where fewer have it in time; the effect may stand then, and the call be repeated.
   */
  write(script: Script, keys: Keys, args: readonly string[]): Promise<Reply> {
    const reply = this.run(script, keys, args)
    return this.#replicas.atLeast === 0 ? reply : this.#replicated(reply, keys[0])
  }

  async #replicated(written: Promise<Reply>, key: string): Promise<Reply> {
    const reply = await written
    const { atLeast, timeoutMs } = this.#replicas
    const copies = asInteger(await this.send(['WAIT', String(atLeast), String(timeoutMs)], key))
    if (copies >= atLeast) return reply
    throw new CheqpointError(
      'store-unavailable',
      `${copies} of ${atLeast} replicas had a write within ${timeoutMs} ms; it may stand, and is repeated safely`,
    )
  }
}

/** Some clients hand an error over as a value. */
function replyOf(reply: unknown): unknown {
  if (reply instanceof Error) throw reply
  return reply
}
