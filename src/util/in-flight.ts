/**
 * What is in progress, oldest first. In a `Set`, V8 would keep removed items alive until the next full collection,
 * because its old tables point to the new ones.
 */
export class InFlight<Item> {
  /** Stands before the oldest and after the newest. */
  readonly #ends: Place<Item> = new Place<Item>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: Item): Place<Item> {
    const place = new Place<Item>(item)
    const last = this.#ends.before
    place.before = last
    place.after = this.#ends
    last.after = place
    this.#ends.before = place
    this.#size++
    return place
  }

  has(place: Place<Item>): boolean {
    return place.after !== place
  }

  /** `false` if it was removed before. */
  remove(place: Place<Item>): boolean {
    if (!this.has(place)) return false
    place.before.after = place.after
    place.after.before = place.before
    place.before = place
    place.after = place
    this.#size--
    return true
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let { item, after } = this.#ends.after; item !== undefined; { item, after } = after) yield item
  }
}

/** The place of an item, to remove it. */
export class Place<Item> {
  readonly item: Item | undefined
  before: Place<Item> = this
  after: Place<Item> = this

  constructor(item?: Item) {
    this.item = item
  }
}
