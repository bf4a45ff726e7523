import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Entry, Stored, WriteOptions } from '../stores/store.js'
import { freezeJson, isJsonObject, type JsonObject, type JsonText, type JsonValue } from '../util/json.js'

/*
 * What is kept of an approval (`a:<approvalId>`) and of a submission without an id (`r:<ref>`), as plain JSON in the
 * `state` of a store's entry. Times are store time in milliseconds.
 */

/**
 * Whether a state has this format, which is the first. A later one sets the field `v`: it is unreadable to this version,
 * and never removed by it.
 */
export const isOfThisFormat = (state: JsonObject): boolean => state['v'] === undefined

/** What is kept of a request from before it is sent until a handler finished. */
export interface TrackedRequest {
  /** Our own reference, carried by the token in the callback URL; `null` for a request submitted elsewhere. */
  readonly ref: string | null
  readonly action: string
  /** Name of the assistant whose key submitted the request, never the key; `null` where there is one key only. */
  readonly assistant: string | null
  /** After this moment (ms since the epoch) a fresh approval no longer runs. */
  readonly expiresAt: number | null
  /** The same as an age in store time, which no process's clock decides later on. */
  readonly expiresAfterMs: number | null
  readonly details: JsonText
  readonly context: JsonText
  /** The trace that the request was submitted in, at most 512 characters; `null` for none. */
  readonly trace?: string | null | undefined
}

/** An approval that waits, is worked on, or is parked. */
export interface OpenApproval extends TrackedRequest {
  readonly kind: 'open'
  readonly since: number
  /** Rises by one with every claim. */
  readonly fence: number
  readonly attempts: number
  /** The token of the last holder, kept after the lease was given back. */
  readonly holder: string | null
  /** While claimed, the end of the lease. */
  readonly leaseEnd: number | null
  /** The attempt of the last holder is counted. */
  readonly counted: boolean
  /** Nothing but a forced claim gets the approval before this time. */
  readonly notBefore: number
  /** A callback came that no poll has answered yet. */
  readonly nudged: boolean
  /** How many polls come at the minimum interval before back-off begins again. */
  readonly quickPolls: number
  readonly decision: ConfirmedDecision | null
  readonly parked: { readonly reason: ParkReason; readonly note: string } | null
}

/** What is left of a finished approval until `until`. */
export interface Tombstone extends Pick<TrackedRequest, 'ref' | 'action' | 'assistant'> {
  readonly kind: 'completed'
  /** The token of the run, or of the operation, that ended it. */
  readonly holder: string
  readonly outcome: DecisionStatus | 'cancelled'
  /** `null` after a cancel. */
  readonly decision: ConfirmedDecision | null
  /** What the handler returned; `null` where it returned nothing. */
  readonly result: JsonText | null
  readonly until: number
}

/** How an approval begins. */
export interface Beginning {
  readonly dueInMs: number
  /** The decision, where the response to the submission held it. */
  readonly decision: ConfirmedDecision | null
  /** The approval waits for a person from the start. */
  readonly parked: ParkReason | null
}

/** A submission whose approval id is not known yet. */
export interface OpenReservation {
  readonly kind: 'reserved'
  /** The operation that may send the request. */
  readonly owner: string
  /** Until then another submission under the same key finds this one in progress. */
  readonly ownedUntil: number
  /** The request may have been sent. */
  readonly sent: boolean
  readonly since: number
  /** Digest of what was submitted under an idempotency key; `null` for a random reference. */
  readonly digest: string | null
  readonly request: TrackedRequest
  /** Approval ids that callbacks with this reference's token named, oldest first. */
  readonly candidates: readonly string[]
}

/** A reservation that has its id, while the approval may not be written yet. */
export interface BindingReservation extends Omit<OpenReservation, 'kind'> {
  readonly kind: 'binding'
  readonly id: string
  readonly beginning: Beginning
}

/** What is left of a reservation: the id that it got, or that it was discarded. */
export type EndedReservation =
  | { readonly kind: 'bound'; readonly id: string; readonly digest: string | null }
  | { readonly kind: 'discarded'; readonly by: string }

export type ApprovalState = OpenApproval | Tombstone
export type ReservationState = OpenReservation | BindingReservation | EndedReservation
type State = ApprovalState | ReservationState

/** What a step of the state machine answers, and what it writes; without `next` nothing is written. */
export interface Step<Result> {
  readonly result: Result
  readonly next?: Next | undefined
}

/** What replaces an entry. The writer draws the stamp. */
export interface Next extends Pick<Entry, 'dueAt' | 'parkedAt'>, WriteOptions {
  readonly state: State
}

/** Keeps a state in the due index, from `dueAt` on. */
export function open(state: State, dueAt: number | null): Next {
  return { state, dueAt, parkedAt: null }
}

export const approvalKey = (approvalId: string): string => `a:${approvalId}`
export const reservationKey = (ref: string): string => `r:${ref}`

/** A state for a store of texts: without what {@link know} fills in. */
export function compact(state: State | JsonObject): JsonObject {
  const given = asJson(state)
  const kept: Record<string, JsonValue> = {}
  // Costs half of what a list of the names does.
  for (const name in given) {
    const value = given[name] ?? null
    if (value === null || value === false || value === 0 || value === absentTexts[name]) continue
    kept[name] = name === 'decision' && isJsonObject(value) ? compact(value) : freezeJson(value)
  }
  return Object.freeze(kept)
}

export function asJson(state: State | JsonObject): JsonObject {
  // Its types hold JSON only, which TypeScript sees of no interface.
  return state as unknown as JsonObject
}

const noContext = 'null'
/** What need not be written of fields that are texts. */
const absentTexts: Readonly<Record<string, string>> = { kind: 'open', context: noContext }

/** What is stored, with its state as it was read or written: steps that start from it check it once. */
export interface Known extends Stored {
  readonly known: State | 'unreadable' | null
}

/** Checks what is stored. `isOwn`: its state is the very object that was written, so that it needs no check. */
export function know(stored: Stored | Known, isOwn: boolean | undefined = false): Known {
  if ('known' in stored) return stored
  const { now, entry, unreadable } = stored
  if (entry === null) return { now, entry, known: unreadable === undefined ? null : 'unreadable' }
  // Only the types of this module are ever written.
  if (isOwn) return { now, entry, known: entry.state as unknown as State }
  return { now, entry, known: isOfThisFormat(entry.state) ? fill(entry.state) : 'unreadable' }
}

/** What is stored under `a:<approvalId>`: `null` for nothing, `unreadable` where this version cannot read it. */
export function readApproval(stored: Stored | Known): ApprovalState | 'unreadable' | null {
  const { known } = know(stored)
  return known === null || known === 'unreadable' || isApproval(known) ? known : 'unreadable'
}

/** What is stored under `r:<ref>`. */
export function readReservation(stored: Stored | Known): ReservationState | 'unreadable' | null {
  const { known } = know(stored)
  return known === null || known === 'unreadable' || !isApproval(known) ? known : 'unreadable'
}

const isApproval = (state: State): state is ApprovalState => state.kind === 'open' || state.kind === 'completed'

const isText = (value: JsonValue): boolean => typeof value === 'string'
const isNumber = (value: JsonValue): boolean => typeof value === 'number'
/** What a field may hold, and what stands for it where it is left out. */
const fieldTypes = {
  text: { is: isText, absent: undefined },
  '?text': { is: (value: JsonValue) => value === null || isText(value), absent: null },
  number: { is: isNumber, absent: 0 },
  '?number': { is: (value: JsonValue) => value === null || isNumber(value), absent: null },
  '?flag': { is: (value: JsonValue) => typeof value === 'boolean', absent: false },
  object: { is: isJsonObject, absent: undefined },
  '?object': { is: (value: JsonValue) => value === null || isJsonObject(value), absent: null },
  '?context': { is: isText, absent: noContext },
  texts: { is: (value: JsonValue) => Array.isArray(value) && value.every(isText), absent: undefined },
} as const
type FieldType = keyof typeof fieldTypes
type Fields = Readonly<Record<string, FieldType>>

/** The fields of a kind of state, and an object that has them all: a copy of that costs less than adding each. */
function kindOf(fields: Fields): { readonly fields: readonly [string, FieldType][]; readonly blank: object } {
  const pairs = Object.entries(fields)
  return { fields: pairs, blank: Object.fromEntries([['kind', ''], ...pairs.map(([name]) => [name, null])]) }
}

const openFields: Fields = {
  ...{ ref: '?text', action: 'text', assistant: '?text', expiresAt: '?number', expiresAfterMs: '?number' },
  ...{ details: 'text', context: '?context', since: 'number', fence: 'number', attempts: 'number' },
  ...{ holder: '?text', leaseEnd: '?number', counted: '?flag', notBefore: 'number', nudged: '?flag' },
  ...{ quickPolls: 'number', decision: '?object', parked: '?object', trace: '?text' },
}
const tombstoneFields: Fields = {
  ...{ holder: 'text', ref: '?text', action: 'text', assistant: '?text', outcome: 'text' },
  ...{ decision: '?object', result: '?text', until: 'number' },
}
const reservedFields: Fields = {
  ...{ owner: 'text', ownedUntil: 'number', sent: '?flag', since: 'number', digest: '?text', request: 'object' },
  candidates: 'texts',
}
const kinds: ReadonlyMap<unknown, ReturnType<typeof kindOf>> = new Map([
  ['open', kindOf(openFields)],
  ['completed', kindOf(tombstoneFields)],
  ['reserved', kindOf(reservedFields)],
  ['binding', kindOf({ ...reservedFields, id: 'text', beginning: 'object' })],
  ['bound', kindOf({ id: 'text', digest: '?text' })],
  ['discarded', kindOf({ by: 'text' })],
])

/** The state with what was left out, or that it is none. */
function fill(state: JsonObject): State | 'unreadable' {
  const title = state['kind'] ?? 'open'
  const kind = kinds.get(title)
  if (kind === undefined) return 'unreadable'
  let isWhole = title === state['kind']
  for (const [name, type] of kind.fields) {
    const { is, absent } = fieldTypes[type]
    const given = state[name]
    const value = given ?? absent
    if (value === undefined || !is(value)) return 'unreadable'
    isWhole &&= given !== undefined && (name !== 'decision' || isWholeDecision(given))
  }
  // Every field is checked, and only the types of this module are ever written.
  if (isWhole) return state as unknown as State
  const filled: Record<string, unknown> = { ...kind.blank, kind: title }
  for (const [name, type] of kind.fields) {
    const value = state[name] ?? fieldTypes[type].absent
    filled[name] = name === 'decision' && value !== null ? { ...blankDecision, ...Object(value) } : value
  }
  return filled as unknown as State
}

/** The fields of a decision, in order, with what may be left out. */
const blankDecision = { status: null, modifiedDetails: null, note: null, decidedAt: null, via: null }
const isWholeDecision = (given: JsonValue): boolean => given === null || Object.keys(given).length === 5
