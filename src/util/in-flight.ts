/**
 * What is under way at present, oldest first. A `Set` would do the same, but V8 keeps what left one alive until the next
 * full collection, because its old tables point to the new ones.
 */
export class InFlight<Item> {
  /** Before the oldest and after the newest. */
  readonly #ends: Place<Item> = new Place<Item>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get oldest(): Item | undefined {
    return this.#ends.after.item
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

  /** `false` where it has left before. */
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

/** Where an item stands, to take it out again. */
export class Place<Item> {
  readonly item: Item | undefined
  before: Place<Item> = this
  after: Place<Item> = this

  constructor(item?: Item) {
    this.item = item
  }
}
