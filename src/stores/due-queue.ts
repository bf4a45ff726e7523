import TinyQueue from 'tinyqueue'
import { CheqpointError } from '../errors.js'
import type { Page, PageQuery } from '../store.js'

/** What a {@link DueQueue} keeps in order. Only the queue writes `dueAt` and `slot`. */
export interface Due<Item> {
  /** Breaks ties between items due at the same moment. */
  readonly order: number
  /** When the item is due; `Infinity` while it stands in no queue. */
  dueAt: number
  slot: Slot<Item> | null
}

/** A place in the heap. Its item may be due later than this says, never earlier. */
export interface Slot<Item> {
  at: number
  readonly order: number
  /** `null` once the item left, so that a dead slot keeps nothing alive. */
  item: Item | null
}

/**
 * Items by the time they are due. Each change costs O(log n) at most, because it never searches: an item that is due
 * later than before keeps its slot until that comes up, one that is due earlier gets another slot and leaves a dead
 * one behind. Dead slots never outnumber the live ones for long.
 */
export class DueQueue<Item extends Due<Item>> {
  #heap = new TinyQueue<Slot<Item>>([], bySlot)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Puts an item in, or moves it. */
  put(item: Item, dueAt: number): void {
    item.dueAt = dueAt
    if (item.slot !== null && item.slot.at <= dueAt) return
    if (item.slot === null) this.#size++
    else item.slot.item = null
    item.slot = { at: dueAt, order: item.order, item }
    this.#heap.push(item.slot)
    this.#sweep()
  }

  drop(item: Item): void {
    item.dueAt = Number.POSITIVE_INFINITY
    if (item.slot === null) return
    item.slot.item = null
    item.slot = null
    this.#size--
    this.#sweep()
  }

  /** The item due first, or `undefined` where there is none. */
  first(): Item | undefined {
    for (;;) {
      const slot = this.#heap.peek()
      if (slot === undefined) return undefined
      const { item } = slot
      if (item !== null && !(item.dueAt > slot.at)) return item
      this.#heap.pop()
      if (item === null) continue
      slot.at = item.dueAt
      this.#heap.push(slot)
    }
  }

  #sweep(): void {
    if (this.#heap.length <= 2 * this.#size + 64) return
    const live = this.#heap.data.filter(({ item }) => item !== null)
    for (const slot of live) slot.at = slot.item?.dueAt ?? slot.at
    this.#heap = new TinyQueue(live, bySlot)
  }
}

/** A page of items by the time they are due; the cursor names the last one, so a page costs no memory between calls. */
export function page<Item extends Due<unknown>, View>(
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

interface Position {
  readonly dueAt: number
  readonly order: number
}

function readCursor(cursor: string): Position {
  const [dueAt = Number.NaN, order = Number.NaN] = cursor.split(':').map(Number)
  if (Number.isNaN(dueAt) || Number.isNaN(order)) {
    throw new CheqpointError('argument-invalid', 'cursor must be one that the page before gave')
  }
  return { dueAt, order }
}

function byDue(a: Position, b: Position): number {
  if (a.dueAt !== b.dueAt) return a.dueAt < b.dueAt ? -1 : 1
  return a.order - b.order
}

function bySlot<Item>(a: Slot<Item>, b: Slot<Item>): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1
  return a.order - b.order
}
