import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { ListedEntry, Page, PageQuery, Store } from '../stores/store.js'
import { type JsonValue, showJson } from '../util/json.js'
import { isOfThisFormat, readApproval, readReservation } from './entry.js'

/** An approval that waits for a person, or an entry that cannot be read. */
export interface ParkedApproval {
  /** Empty where `ref` is set. */
  readonly approvalId: string
  /** The reference of a damaged submission, which `discard(ref)` removes; otherwise `null`. */
  readonly ref: string | null
  /** Empty where the entry cannot be read. */
  readonly action: string
  readonly assistant: string | null
  readonly reason: ParkReason
  /** JSON Pointers of what was wrong, separated by spaces; empty where the reason says it all. */
  readonly note: string
  /** Attempts of its handler so far. */
  readonly attempts: number
  /** What was submitted; `null` where it cannot be read. */
  readonly details: JsonValue
  readonly context: JsonValue
  /** The confirmed decision; `null` where there is none yet, or it cannot be read. */
  readonly decision: ConfirmedDecision | null
}

/** Reads an entry of the parked index, damaged or not: a person must see it either way. */
export function readParked({ key, entry }: ListedEntry): readonly ParkedApproval[] {
  const name = key.slice(2)
  const about = isReference(key) ? { approvalId: '', ref: name } : { approvalId: name, ref: null }
  const known = readKey({ key, entry })
  if (known === 'unreadable') {
    const nothing = { details: null, context: null, decision: null }
    return [{ ...about, action: '', assistant: null, reason: 'corrupt', note: '', attempts: 0, ...nothing }]
  }
  if (known?.kind !== 'open' || known.parked === null) return []
  const { action, assistant, attempts, parked } = known
  const request = { details: showJson(known.details), context: showJson(known.context) }
  return [{ ...about, action, assistant, ...parked, attempts, ...request, decision: readConfirmed(known.decision) }]
}

/** How many due entries one call reads to find those that are unreadable. */
const mostDue = 1_000
const duePage = 100
/** In front of the cursor of a page that goes on in the due index. */
const dueMark = 'due '

type Lists = Pick<Store, 'list'>

/**
 * One page of what waits for a person: the parked index, then the entries of the due index that cannot be read. A page may
 * be short, because one call reads at most 1,000 due entries.
 */
export async function listForPerson(store: Lists, { limit, cursor }: PageQuery): Promise<Page<ListedEntry>> {
  const items: ListedEntry[] = []
  let at = cursor
  if (at === undefined || !at.startsWith(dueMark)) {
    const page = await store.list('parked', { limit, cursor: at })
    items.push(...page.items)
    if (page.cursor !== null) return { items, cursor: page.cursor }
    at = dueMark
  }
  for (let seen = 0; seen < mostDue && items.length < limit; seen += duePage) {
    const query = { limit: limit - items.length, cursor: at.slice(dueMark.length) || undefined }
    const page = await listUnreadable(store, query, duePage)
    items.push(...page.items)
    if (page.cursor === null) return { items, cursor: null }
    at = `${dueMark}${page.cursor}`
  }
  return { items, cursor: at }
}

/** At most `limit` unreadable entries among the next `seen` of the due index. */
async function listUnreadable(store: Lists, { limit, cursor }: PageQuery, seen: number): Promise<Page<ListedEntry>> {
  const page = await store.list('due', { limit: seen, cursor })
  const items = page.items.filter(isUnreadable)
  const beyond = items[limit]
  if (beyond === undefined) return { items, cursor: page.cursor }
  // A cursor points behind its whole page. To skip nothing, a shorter page is read, up to the first that does not fit.
  return listUnreadable(store, { limit, cursor }, page.items.indexOf(beyond))
}

/** Whether an entry is damaged: unreadable, and not of a newer version. */
function isUnreadable({ key, entry }: ListedEntry): boolean {
  return (entry === null || isOfThisFormat(entry.state)) && readKey({ key, entry }) === 'unreadable'
}

export const isReference = (key: string): boolean => key.startsWith('r:')

function readKey({ key, entry }: ListedEntry): ReturnType<typeof readApproval | typeof readReservation> {
  if (entry === null) return 'unreadable'
  return isReference(key) ? readReservation({ now: 0, entry }) : readApproval({ now: 0, entry })
}
