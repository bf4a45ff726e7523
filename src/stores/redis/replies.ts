import { CheqpointError } from '../../model/errors.js'

/** A script's reply, read from left to right. Each read checks what arrived, and rejects it with `store-answer`. */
export class Reply {
  /** The word that says what the rest means. */
  readonly kind: string
  readonly #items: readonly unknown[]
  #at = 1

  constructor(reply: unknown) {
    const items: unknown = reply
    if (!Array.isArray(items)) throw wrongReply(reply, 'an array')
    this.#items = items
    this.kind = asText(items[0])
  }

  text(): string {
    return asText(this.#next())
  }

  textOrNull(): string | null {
    const item = this.#next()
    return item === null ? null : asText(item)
  }

  integer(): number {
    return asInteger(this.#next())
  }

  integerOrNull(): number | null {
    const item = this.#next()
    return item === null ? null : asInteger(item)
  }

  emptyArray(): void {
    const item = this.#next()
    if (!Array.isArray(item) || item.length > 0) throw wrongReply(item, 'an empty array')
  }

  /** The items that were not read yet. */
  rest(): readonly string[] {
    const rest = this.#items.slice(this.#at).map(asText)
    this.#at = this.#items.length
    return rest
  }

  /** The word itself, where it is one of these. */
  oneOf<const Word extends string>(...words: readonly Word[]): Word {
    const word = words.find((each) => each === this.kind)
    if (word === undefined) throw this.unexpected()
    return word
  }

  /** The error for a word that a script cannot have said here. */
  unexpected(): CheqpointError {
    return this.kind === 'unreadable'
      ? new CheqpointError('store-answer', 'Redis holds an entry that is damaged or was written by a newer version')
      : new CheqpointError('store-answer', 'a script of the Redis store answered what it never says')
  }

  #next(): unknown {
    return this.#items[this.#at++]
  }
}

function asText(item: unknown): string {
  if (typeof item !== 'string') throw wrongReply(item, 'a string')
  return item
}

/** Clients can be set to give integers as text, or as bigint; both are as exact. */
export function asInteger(item: unknown): number {
  if (typeof item === 'number' && Number.isSafeInteger(item)) return item
  if (typeof item === 'bigint' || (typeof item === 'string' && /^-?\d{1,16}$/.test(item))) {
    const integer = Number(item)
    if (Number.isSafeInteger(integer)) return integer
  }
  throw wrongReply(item, 'an integer')
}

/** The error for a reply of the wrong shape, which is the doing of the client or of how it is called. */
export function wrongReply(item: unknown, wanted: string): CheqpointError {
  return new CheqpointError('store-answer', `sendCommand gave back ${shapeOf(item)} where Redis answers ${wanted}`)
}

function shapeOf(item: unknown): string {
  if (item === undefined) return 'nothing (return the promise of your client)'
  if (item instanceof Uint8Array) return 'bytes (use the method of your client that answers with strings)'
  if (Array.isArray(item)) return 'an array (return the reply alone, not a list of replies)'
  if (typeof item === 'object' && item !== null) return 'a decoded object (return the raw reply of your client)'
  return item === null ? 'null' : `a ${typeof item}`
}
