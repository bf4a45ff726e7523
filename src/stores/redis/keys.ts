import { createHash } from 'node:crypto'

/** Names of the keys in Redis. The keys of a partition share a hash tag, and so a node. */
export class RedisKeys {
  readonly prefix: string
  /** Key of the number of partitions. It is on the first partition, which always exists. */
  readonly number: string
  /** Due and parked index of each partition. */
  readonly indexes: readonly { readonly due: string; readonly parked: string }[]
  readonly #tags: readonly string[]

  private constructor(prefix: string, tags: readonly string[], number: string) {
    this.prefix = prefix
    this.#tags = tags
    this.number = number
    this.indexes = tags.map((tag) => ({ due: `${tag}:due`, parked: `${tag}:parked` }))
  }

  static under(prefix: string, partitions: number): RedisKeys {
    const tags = Array.from({ length: partitions }, (_, partition) => `{${prefix}:${partition}}`)
    return new RedisKeys(prefix, tags, `${tags[0]}:partitions`)
  }

  /** Trial keys on a partition's node. `number` is the due index here, so that `take` lets the index expire. */
  trial(partition: number, name: string): RedisKeys {
    const tag = `${this.#tags[partition]}:check:${name}`
    return new RedisKeys(this.prefix, [tag], `${tag}:due`)
  }

  /** The entry of a key, and the due and the parked index of its partition. */
  of(key: string): readonly [entry: string, due: string, parked: string] {
    const count = this.#tags.length
    const tag = this.#tags[count === 1 ? 0 : createHash('sha1').update(key).digest().readUInt32BE() % count]
    return [`${tag}:${key}`, `${tag}:due`, `${tag}:parked`]
  }
}
