import { isLeased } from '../approvals/approval.js'
import { type ApprovalState, approvalKey, readApproval } from '../approvals/entry.js'
import { isReference, listForPerson, readParked } from '../approvals/parked.js'
import type { Page, PageQuery, Store, Stored } from '../index.js'
import { showJson } from '../util/json.js'
import type { Defaulted, Flag, Report, Valued } from './command.js'
import { whole } from './readers.js'
import { columns, fact, plain, type Terminal } from './terminal.js'

/** The output for an entry: facts, and payloads, which are printed only with `--details`. */
export interface Shown {
  readonly facts: object
  readonly payloads: object
}

export const detailsOption: Flag = { about: 'show details, context and decision too' }

export const pageOptions: {
  readonly limit: Defaulted<number>
  readonly cursor: Valued<string>
  readonly details: Flag
} = {
  limit: { value: 'N', read: whole(1, 1000), default: '20', about: 'maximum number to list' },
  cursor: {
    value: 'TEXT',
    // Encoded, since cursors of some stores contain spaces.
    read: (given) => Buffer.from(given, 'base64url').toString(),
    otherwise: 'the first page',
    about: 'the page to list, as printed by the previous page',
  },
  details: detailsOption,
}

/** The output for the entry `a:<approvalId>`; `null` if there is none. */
export function shownApproval(approvalId: string, stored: Stored): Shown | null {
  const known = readApproval(stored)
  if (known === null) return null
  if (known === 'unreadable') return { facts: { approvalId, state: 'unreadable' }, payloads: {} }
  return known.kind === 'completed' ? completed(approvalId, known) : open(approvalId, known, stored)
}

/** Reads one page of the open approvals, or of what waits for a person. */
export async function shownPage(store: Store, index: 'due' | 'parked', query: PageQuery): Promise<Page<Shown>> {
  const now = await storeTime(store)
  const list = (part: PageQuery): ReturnType<Store['list']> =>
    index === 'parked' ? listForPerson(store, part) : store.list(index, part)
  return filled(query, list, (listed) => {
    const { key, entry } = listed
    if (isReference(key)) {
      // Those that can be read have their own list.
      const items = index === 'parked' ? readParked(listed) : []
      return items.map(({ ref, reason, note }) => ({ facts: { ref, state: 'unreadable', reason, note }, payloads: {} }))
    }
    const damaged = entry === null ? { unreadable: '' } : {}
    const shown = shownApproval(key.slice(2), { now, entry, ...damaged })
    if (shown === null) return []
    const isUnreadable = readApproval({ now, entry, ...damaged }) === 'unreadable'
    const reason = isUnreadable && index === 'parked' ? { reason: 'corrupt', note: '' } : {}
    return [{ ...shown, facts: { ...shown.facts, ...reason } }]
  })
}

/** Reads the store's time, by reading a key that cannot exist. */
export async function storeTime(store: Store): Promise<number> {
  return (await store.read(approvalKey('.'))).now
}

function completed(approvalId: string, known: Extract<ApprovalState, { kind: 'completed' }>): Shown {
  const { action, assistant, outcome, decision, result } = known
  return {
    facts: { approvalId, action, assistant, state: 'completed', outcome },
    payloads: { decision, result: showJson(result) },
  }
}

function open(approvalId: string, known: Extract<ApprovalState, { kind: 'open' }>, { now, entry }: Stored): Shown {
  const { action, assistant, attempts, parked, since } = known
  const state = parked !== null ? 'parked' : isLeased(known, now) ? 'in-progress' : 'pending'
  const dueAt = entry?.dueAt ?? null
  const rest = parked ?? { dueInMs: dueAt === null ? null : dueAt - now }
  return {
    facts: { approvalId, action, assistant, state, ageMs: now - since, attempts, ...rest },
    payloads: { details: showJson(known.details), context: showJson(known.context), decision: known.decision },
  }
}

/** Maximum round trips per page: an index may have many entries that are filtered out. */
const mostRounds = 100

/** Reads pages until `limit` items pass the filter `keep`. */
export async function filled<Listed, Kept>(
  { limit, cursor }: PageQuery,
  list: (query: PageQuery) => Promise<Page<Listed>>,
  keep: (listed: Listed) => readonly Kept[],
): Promise<Page<Kept>> {
  const items: Kept[] = []
  let next = cursor ?? null
  for (let round = 1; ; round++) {
    // Reads only the missing number of items, since the cursor points behind all that were read.
    const page = await list({ limit: limit - items.length, cursor: next ?? undefined })
    items.push(...page.items.flatMap(keep))
    next = page.cursor
    if (next === null || items.length >= limit || round === mostRounds) return { items, cursor: next }
  }
}

/** Reports a page. `none` is the text for an empty list. */
export function pageReport(
  { items, cursor }: Page<Shown>,
  none: string,
  details: boolean,
  { paint }: Terminal,
): Report {
  const rows = items.map(({ facts }) => Object.entries(facts).map(([name, value]) => fact(name, value)))
  // Omits columns without a value.
  const names = new Set(rows.flatMap((row) => row.filter(([, value]) => value !== '-').map(([name]) => name)))
  const cells = rows.map((row) => [...names].map((name) => row.find(([each]) => each === name)?.[1] ?? '-'))
  const head = items.length > 0 ? [...names] : [cursor === null ? none : 'Nothing on this page.']
  const [title = '', ...lines] = columns([head, ...cells])
  const shown = items.flatMap((item, at) => [
    (lines[at] ?? '').trimEnd(),
    ...(details ? columns(payloadRows(item)).map((line) => `  ${line}`) : []),
  ])
  const next = cursor === null ? null : Buffer.from(cursor).toString('base64url')
  const more = next === null ? [] : ['', paint('dim', `more: --cursor ${next}`)]
  return {
    text: [paint('dim', title), ...shown, ...more].join('\n'),
    document: {
      items: items.map(({ facts, payloads }) => ({ ...facts, ...(details ? payloads : {}) })),
      cursor: next,
    },
  }
}

/** Rows of the payloads, with their names. */
export function payloadRows({ payloads }: Shown): readonly (readonly string[])[] {
  const there = Object.entries(payloads).filter(([, value]) => value !== null)
  return there.map(([name, value]) => [name, plain(JSON.stringify(value))])
}

/** Reports a change to one entry. The exit code is 0 if the requested change was made. */
export function changeReport(key: object, result: string, meaning: string, done: boolean, { paint }: Terminal): Report {
  const text = `${plain(Object.values(key).join())}  ${paint(done ? 'green' : 'yellow', result)}: ${meaning}`
  return { text, document: { ...key, result }, exit: done ? 0 : 1 }
}
