import { createHash } from 'node:crypto'
import type { Keys } from './link.js'

/** Names of the keys. What belongs to one partition shares its hash tag, and so its node. */
export class RedisKeys {
  readonly partitions: number
  /** Where the number of partitions is kept. */
  readonly meta: string
  readonly #prefix: string

  constructor(prefix: string, partitions: number) {
    this.#prefix = prefix
    this.partitions = partitions
    this.meta = `{${prefix}}:meta`
  }

  /** Entry, due index and parked index of an approval. */
  approval(id: string): Keys {
    const tag = this.#tag(this.#partitionOf(id))
    return [`${tag}:a:${id}`, `${tag}:due`, `${tag}:parked`]
  }

  /** Entry and due index of a reference. */
  reference(ref: string): Keys {
    const tag = this.#tag(this.#partitionOf(ref))
    return [`${tag}:r:${ref}`, `${tag}:due`]
  }

  /** Due and parked index of each partition. */
  indexes(): readonly { readonly due: string; readonly parked: string }[] {
    return Array.from({ length: this.partitions }, (_, partition) => ({
      due: `${this.#tag(partition)}:due`,
      parked: `${this.#tag(partition)}:parked`,
    }))
  }

  #tag(partition: number): string {
    return `{${this.#prefix}:${partition}}`
  }

  #partitionOf(key: string): number {
    return this.partitions === 1 ? 0 : createHash('sha1').update(key).digest().readUInt32BE() % this.partitions
  }
}
