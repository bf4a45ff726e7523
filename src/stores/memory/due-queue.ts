import TinyQueue from 'tinyqueue'
import { CheqpointError } from '../../model/errors.js'
import type { Page, PageQuery } from '../store.js'

/** What a {@link DueQueue} keeps in order. */
export interface Due {
  /** When the item is due; `Infinity` where it is not to stand in the queue. */
  readonly dueAt: number
  /** Breaks ties between items due at the same moment. */
  readonly order: number
  /** The queue's own. */
  slot: Slot | null
}

/** A place in the heap. Its item may be due later than this says, never earlier. */
interface Slot {
  at: number
  readonly order: number
  /** `null` once the item has left, so that a dead slot keeps nothing alive. */
  item: Due | null
}

/** Slots whose time falls into the same span share a bucket. */
const spanMs = 500

/**
 * Items by the time they are due: spans of time in a heap, each with the slots that fall into it, which are put in order
 * when their span is the first. So a change costs by how many are due about then, not by how many there are. Nothing is
 * searched for: an item that is due later than before keeps its slot until that comes up, one that is due earlier gets
 * a new slot and leaves a dead one behind. Dead slots never outnumber live ones by more than a few.
 */
export class DueQueue<Item extends Due> {
  #spans = new TinyQueue<number>()
  /** By span: a heap once its span has been the first, a list until then. */
  #buckets = new Map<number, Slot[] | TinyQueue<Slot>>()
  /** Live and dead. */
  #slots = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Takes note of an item's `dueAt`. Call it after every change of that. */
  update(item: Item): void {
    const { slot, dueAt, order } = item
    if (slot !== null) {
      if (slot.at <= dueAt && dueAt !== Number.POSITIVE_INFINITY) return
      slot.item = null
      item.slot = null
      this.#size--
    }
    if (dueAt !== Number.POSITIVE_INFINITY) {
      item.slot = { at: dueAt, order, item }
      this.#push(item.slot)
      this.#size++
    }
    if (this.#slots > 2 * this.#size + 64) this.#rebuild()
  }

  /** The item due first, or `undefined` where there is none. */
  first(): Item | undefined {
    for (;;) {
      const bucket = this.#firstBucket()
      const slot = bucket?.peek()
      if (bucket === undefined || slot === undefined) return undefined
      const { item } = slot
      // Nothing but an Item gets a slot.
      if (item !== null && !(item.dueAt > slot.at)) return item as Item
      bucket.pop()
      this.#slots--
      if (item === null) continue
      slot.at = item.dueAt
      this.#push(slot)
    }
  }

  /** The first bucket that has a slot, in order. */
  #firstBucket(): TinyQueue<Slot> | undefined {
    for (let span = this.#spans.peek(); span !== undefined; span = this.#spans.peek()) {
      const bucket = this.#buckets.get(span) ?? []
      if (bucket.length > 0) {
        if (!Array.isArray(bucket)) return bucket
        const ordered = new TinyQueue(bucket, bySlot)
        this.#buckets.set(span, ordered)
        return ordered
      }
      this.#spans.pop()
      this.#buckets.delete(span)
    }
    return undefined
  }

  #push(slot: Slot): void {
    const span = Math.floor(slot.at / spanMs)
    const bucket = this.#buckets.get(span)
    this.#slots++
    if (bucket !== undefined) {
      bucket.push(slot)
      return
    }
    this.#buckets.set(span, [slot])
    this.#spans.push(span)
  }

  #rebuild(): void {
    const buckets = [...this.#buckets.values()]
    this.#spans = new TinyQueue()
    this.#buckets = new Map()
    this.#slots = 0
    for (const bucket of buckets) {
      for (const slot of Array.isArray(bucket) ? bucket : bucket.data) if (slot.item !== null) this.#push(slot)
    }
  }
}

/** A page of items by the time they are due. The cursor names the last of them, so nothing is kept between pages. */
export function page<Item extends Due, View>(
  items: readonly Item[],
  { limit, cursor }: PageQuery,
  view: (item: Item) => View,
): Page<View> {
  const after = cursor === undefined ? undefined : readCursor(cursor)
  const rest = items.filter((item) => after === undefined || byDue(item, after) > 0).sort(byDue)
  const picked = rest.slice(0, limit)
  const last = picked.at(-1)
  const more = last !== undefined && rest.length > picked.length
  return { items: picked.map(view), cursor: more ? `${last.dueAt}:${last.order}` : null }
}

type Position = Pick<Due, 'dueAt' | 'order'>

function readCursor(cursor: string): Position {
  const [dueAt = Number.NaN, order = Number.NaN] = cursor.split(':').map(Number)
  if (Number.isNaN(dueAt) || Number.isNaN(order)) {
    throw new CheqpointError('argument-invalid', 'cursor must be one that the page before gave')
  }
  return { dueAt, order }
}

function byDue(a: Position, b: Position): number {
  // Not a difference: of two infinities that is no number.
  if (a.dueAt !== b.dueAt) return a.dueAt < b.dueAt ? -1 : 1
  return a.order - b.order
}

function bySlot(a: Slot, b: Slot): number {
  return a.at - b.at || a.order - b.order
}
