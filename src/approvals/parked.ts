import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { ListedEntry, Page, PageQuery } from '../stores/store.js'
import { type JsonValue, showJson } from '../util/json.js'
import { isOfThisFormat, readApproval } from './entry.js'
import type { Records } from './records.js'

/** An approval that waits for a person. */
export interface ParkedApproval {
  readonly approvalId: string
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
  const approvalId = key.slice(2)
  const known = entry === null ? null : readApproval({ now: 0, entry })
  if (known === null || known === 'unreadable') {
    const nothing = { details: null, context: null, decision: null }
    return [{ approvalId, action: '', assistant: null, reason: 'corrupt', note: '', attempts: 0, ...nothing }]
  }
  if (known.kind !== 'open' || known.parked === null) return []
  const { action, assistant, attempts, parked } = known
  const request = { details: showJson(known.details), context: showJson(known.context) }
  return [{ approvalId, action, assistant, ...parked, attempts, ...request, decision: readConfirmed(known.decision) }]
}

/** How many due entries one call reads to find those that are unreadable. */
const mostDue = 1_000
const duePage = 100
/** In front of the cursor of a page that goes on in the due index. */
const dueMark = 'due '

/**
 * One page of what waits for a person: the parked index, then the entries of the due index that cannot be read. A page may
 * be short, because one call reads at most 1,000 due entries.
 */
export async function listParked(records: Records, { limit, cursor }: PageQuery): Promise<Page<ParkedApproval>> {
  const items: ParkedApproval[] = []
  let at = cursor
  if (at === undefined || !at.startsWith(dueMark)) {
    const page = await records.list('parked', { limit, cursor: at })
    items.push(...page.items.flatMap(readParked))
    if (page.cursor !== null) return { items, cursor: page.cursor }
    at = dueMark
  }
  for (let seen = 0; seen < mostDue && items.length < limit; seen += duePage) {
    const query = { limit: limit - items.length, cursor: at.slice(dueMark.length) || undefined }
    const page = await listUnreadable(records, query, duePage)
    items.push(...page.items.flatMap(readParked))
    if (page.cursor === null) return { items, cursor: null }
    at = `${dueMark}${page.cursor}`
  }
  return { items, cursor: at }
}

/** At most `limit` unreadable entries among the next `seen` of the due index. */
async function listUnreadable(
  records: Records,
  { limit, cursor }: PageQuery,
  seen: number,
): Promise<Page<ListedEntry>> {
  const page = await records.list('due', { limit: seen, cursor })
  const items = page.items.filter(isUnreadable)
  const beyond = items[limit]
  if (beyond === undefined) return { items, cursor: page.cursor }
  // The cursor of a page is behind all its entries, so a shorter one is read, without the first entry that does not fit.
  return listUnreadable(records, { limit, cursor }, page.items.indexOf(beyond))
}

/** Whether an approval is there that this version cannot read, one of a newer version aside, which others can. */
function isUnreadable({ key, entry }: ListedEntry): boolean {
  if (!key.startsWith('a:')) return false
  return entry === null || (isOfThisFormat(entry.state) && readApproval({ now: 0, entry }) === 'unreadable')
}
