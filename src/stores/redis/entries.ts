import { isCheqpointError } from '../../model/errors.js'
import { checkedDuration, checkedStamp, checkedTime, invalidArgument, parseState } from '../entry-values.js'
import type { Entry, Store, Stored } from '../store.js'
import type { RedisKeys } from './keys.js'
import { asArray, asInteger, asText, type RedisLink, wrongReply } from './link.js'
import * as scripts from './scripts.js'

/** The six methods of a store, one script each, for the keys of one prefix. */
export function redisEntries(link: RedisLink, keys: RedisKeys): Omit<Store, 'check' | 'close'> {
  const { indexes } = keys

  async function ask(key: string, digest?: string): Promise<Stored & { readonly isRemoved?: boolean }> {
    const script = digest === undefined ? scripts.read : scripts.inspect
    const reply = await link.run(script, keys.of(key), digest === undefined ? [key] : [key, digest])
    const [seconds, micros, kind, text, at, extra] = asArray(reply)
    const now = asInteger(seconds) * 1_000 + Math.floor(asInteger(micros) / 1_000)
    if (kind === 'none') return { now, entry: null }
    if (kind === 'removed') return { now, entry: null, isRemoved: true }
    if (kind === 'unreadable') return { now, entry: null, unreadable: asText(text) }
    if (kind !== 'entry') throw wrongReply(kind, 'one of four words')
    const entry = readEntry(asText(text))
    const dueAt = at === null ? null : asInteger(at)
    const isListed = dueAt !== null || (entry?.parkedAt === null) === (extra === null)
    const isSound = entry !== null && (entry.dueAt === null) === (dueAt === null) && isListed
    if (digest === undefined && !isSound) return ask(key, '')
    return entry === null ? { now, entry, unreadable: asText(extra) } : { now, entry: { ...entry, dueAt } }
  }

  /** Waits for the replicas after a change, even a repeated one: they may lack a write whose response was lost. */
  const changed = async (key: string, done: boolean): Promise<boolean> => {
    if (done) await link.replicate(keys.of(key)[0])
    return done
  }

  /** Reads the next `count` or more keys of an index, with their times. */
  async function next(index: 'due' | 'parked', partition: number, count: number, [seen, last]: Position) {
    const name = indexes[partition]?.[index] ?? ''
    const found = pairs(partition, asArray(await link.run(scripts.page, [name], [String(count), seen])))
    // Redis sorts members with equal scores by their bytes.
    return found.filter(({ key, at }) => at !== seen || Buffer.compare(Buffer.from(key), Buffer.from(last)) > 0)
  }

  return {
    read: (key) => ask(key),
    async write(key, expected, entry, { keepMs, intake } = {}) {
      // A write that expects its own stamp only succeeds if it is a repetition: no entry starts with an empty line.
      const line = expected === null ? '' : expected === entry.stamp ? '\n' : `1 ${expected}\n`
      // Redis refuses a time to live of 0.
      const keep = keepMs === undefined ? '' : String(Math.max(checkedDuration(keepMs), 1))
      const args = [key, line, `${entry.dueAt ?? ''}`, `${entry.parkedAt ?? ''}`, keep, writeEntry(entry)]
      const send = async (first: string) => asInteger(await link.run(scripts.write, keys.of(key), [...args, first]))
      const written = await send('').catch((error: unknown) => {
        // A full server refuses new work, but open entries must still be able to complete.
        if (intake === true || !isCheqpointError(error, 'store-full')) throw error
        return send('GETEX')
      })
      if (written !== 0 && written !== 1) throw wrongReply(written, '1 or 0')
      return changed(key, written === 1)
    },
    /** One partition takes one script call. Several are read first; the oldest keys are then taken from theirs. */
    async takeDue(limit, hideMs) {
      const hide = String(checkedDuration(hideMs))
      const next = new Map<number, number | null>()
      const failures: unknown[] = []
      const take = async (partition: number, count: number, hidden: string) => {
        const names = [indexes[partition]?.due ?? '', ...(partition === 0 ? [keys.number] : [])] as const
        const [wait, ...items] = asArray(await link.run(scripts.take, names, [String(count), hidden]))
        next.set(partition, wait === null ? null : asInteger(wait))
        return pairs(partition, items)
      }
      // A failed partition must not fail the others: keys that they returned are already hidden from other takers.
      const sorted = async (calls: readonly ReturnType<typeof take>[]) => {
        const settled = await Promise.allSettled(calls)
        for (const each of settled) if (each.status === 'rejected') failures.push(each.reason)
        return settled.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])).sort(byTime)
      }
      const shares = new Map<number, number>()
      if (indexes.length === 1) shares.set(0, limit)
      else
        for (const { partition } of (await sorted(indexes.map((_, at) => take(at, limit, '')))).slice(0, limit))
          shares.set(partition, (shares.get(partition) ?? 0) + 1)
      const taken = await sorted([...shares].map(([partition, share]) => take(partition, share, hide)))
      if (taken.length === 0 && failures.length > 0) throw failures[0]
      const waits = failures.length > 0 ? [0] : [...next.values()].filter((wait) => wait !== null)
      return { keys: taken.map(({ key }) => key), nextDueInMs: waits.length === 0 ? null : Math.min(...waits) }
    },
    /** Merges the indexes of all partitions. Keeps no state between pages. */
    async list(index, { limit, cursor }) {
      const positions = readCursor(index, cursor, indexes.length)
      // One extra item shows whether this is the last page.
      const parts = await Promise.all(positions.map((from, partition) => next(index, partition, limit + 1, from)))
      const found = parts.flat().sort(byTime)
      const picked = found.slice(0, limit)
      for (const { partition, at, key } of picked) positions[partition] = [at, key]
      const shown = await Promise.all(picked.map(async ({ key }) => ({ key, ...(await ask(key, '')) })))
      const isThere = ({ entry, unreadable }: Stored): boolean =>
        // Entries may have left the index since.
        unreadable !== undefined || typeof (index === 'due' ? entry?.dueAt : entry?.parkedAt) === 'number'
      const items = shown.filter(isThere).map(({ key, entry }) => ({ key, entry }))
      const end = Buffer.from(JSON.stringify([index, ...positions])).toString('base64url')
      return { items, cursor: found.length === picked.length ? null : end }
    },
    async count() {
      const total = { open: 0, parked: 0, overdueMs: 0 }
      const replies = await Promise.all(indexes.map(({ due, parked }) => link.run(scripts.count, [due, parked], [])))
      for (const reply of replies) {
        const [open, parked, overdueMs] = asArray(reply)
        total.open += asInteger(open)
        total.parked += asInteger(parked)
        total.overdueMs = Math.max(total.overdueMs, asInteger(overdueMs))
      }
      return total
    },
    remove: async (key, unreadable) => changed(key, (await ask(key, unreadable)).isRemoved === true),
  }
}

/**
 * Writes an entry as text of three lines: `1 <stamp>` (1 is the format version), `<parkedAt> <dueAt>`, and the state as
 * JSON. For an entry in the due index, the score there is its dueAt, because `take` changes only the score; the second
 * line shows whether the entry belongs there.
 */
export function writeEntry({ stamp, dueAt, parkedAt, state }: Entry): string {
  // Invalid UTF-8 is decoded to U+FFFD. A genuine U+FFFD is escaped, so an unescaped one shows damage.
  const text = JSON.stringify(state).replaceAll('\ufffd', '\\ufffd')
  return `1 ${checkedStamp(stamp)}\n${checkedTime(parkedAt) ?? ''} ${checkedTime(dueAt) ?? ''}\n${text}`
}

function readEntry(text: string): Entry | null {
  const [header = '', stamp = '', parkedAt, dueAt] = /^1 ([ -~]+)\n(-?\d*) (-?\d*)\n/.exec(text) ?? []
  const state = header === '' || text.includes('\ufffd') ? null : parseState(text.slice(header.length))
  const time = (digits: string | undefined): number | null => (digits ? Number(digits) : null)
  return state && { stamp, dueAt: time(dueAt), parkedAt: time(parkedAt), state }
}

type Member = { readonly partition: number; readonly key: string; readonly at: string }

/** Reads members of a sorted set and their scores, which alternate in a reply. */
function pairs(partition: number, items: readonly unknown[]): Member[] {
  const texts = items.map(asText)
  return texts.flatMap((key, at) => (at % 2 === 0 ? [{ partition, key, at: texts[at + 1] ?? '' }] : []))
}

const byTime = (a: Member, b: Member): number => Number(a.at) - Number(b.at)

/** Where a page ended in one partition. */
type Position = readonly [time: string, key: string]

function readCursor(index: string, cursor: string | undefined, partitions: number): Position[] {
  if (cursor === undefined) return Array.from({ length: partitions }, () => ['-inf', ''])
  try {
    const [of, ...positions]: unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (of === index && positions.length === partitions && positions.every(isPosition)) return positions
  } catch {
    // Reported below, like any other invalid cursor.
  }
  throw invalidArgument('cursor must be the cursor of the previous page')
}

function isPosition(value: unknown): value is Position {
  const [time, key] = Array.isArray(value) && value.length === 2 ? value : []
  return typeof time === 'string' && /^-(inf|\d+)$|^\d+$/.test(time) && typeof key === 'string'
}
