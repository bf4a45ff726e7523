import TinyQueue from 'tinyqueue'
import { CheqpointError } from '../errors.js'
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

/**
 * Items by the time they are due. A change costs O(log n) at most, because nothing is searched for: an item that is due
 * later than before keeps its slot until that comes up, one that is due earlier gets a new slot and leaves a dead one
 * behind. Dead slots never outnumber live ones by more than a few.
 */
export class DueQueue<Item extends Due> {
  #heap = new TinyQueue<Slot>([], bySlot)
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
      this.#heap.push(item.slot)
      this.#size++
    }
    this.#sweep()
  }

  /** The item due first, or `undefined` where there is none. */
  first(): Item | undefined {
    for (;;) {
      const slot = this.#heap.peek()
      if (slot === undefined) return undefined
      const { item } = slot
      // Nothing but an Item gets a slot.
      if (item !== null && !(item.dueAt > slot.at)) return item as Item
      this.#heap.pop()
      if (item === null) continue
      slot.at = item.dueAt
      this.#heap.push(slot)
    }
  }

  #sweep(): void {
    if (this.#heap.length <= 2 * this.#size + 64) return
    const live = this.#heap.data.filter(({ item }) => item !== null)
    this.#heap = new TinyQueue(live, bySlot)
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
