import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Stored } from '../stores/store.js'
import { freezeJson, isJsonObject, type JsonObject, type JsonText, type JsonValue } from '../util/json.js'

/*
 * What is kept of an approval (`a:<approvalId>`) and of a submission without an id (`r:<ref>`), as plain JSON in the
 * `state` of a store's entry. Times are store time in milliseconds.
 */

/** The version of this format. An entry of a newer version is unreadable to this one, and never removed by it. */
export const formatVersion = 1

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
}

/** An approval that waits, is worked on, or is parked. */
export interface OpenApproval extends TrackedRequest {
  readonly v: number
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
export interface Tombstone {
  readonly v: number
  readonly kind: 'completed'
  /** The token of the run, or of the operation, that ended it. */
  readonly holder: string
  readonly ref: string | null
  readonly action: string
  readonly assistant: string | null
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
  readonly v: number
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
  | { readonly v: number; readonly kind: 'bound'; readonly id: string; readonly digest: string | null }
  | { readonly v: number; readonly kind: 'discarded'; readonly by: string }

export type ApprovalState = OpenApproval | Tombstone
export type ReservationState = OpenReservation | BindingReservation | EndedReservation

/** What a step of the state machine answers, and what it writes; without `next` nothing is written. */
export interface Step<Result> {
  readonly result: Result
  readonly next?: Next | undefined
}

/** What replaces an entry. The writer draws the stamp. */
export interface Next {
  readonly state: ApprovalState | ReservationState
  readonly dueAt: number | null
  readonly parkedAt: number | null
  readonly keepMs?: number | undefined
  readonly intake?: boolean | undefined
}

export function approvalKey(approvalId: string): string {
  return `a:${approvalId}`
}

export function reservationKey(ref: string): string {
  return `r:${ref}`
}

/** A state as it is stored: without what {@link readApproval} and {@link readReservation} fill in. */
export function compact(state: ApprovalState | ReservationState): JsonObject {
  // The states of this library are JSON.
  const given = state as unknown as JsonObject
  const kept: Record<string, JsonValue> = {}
  // Costs half of what a list of the names does.
  for (const name in given) {
    const value = given[name] ?? null
    if (value === null || value === false || value === 0 || (name === 'context' && value === noContext)) continue
    if (typeof value !== 'object') kept[name] = value
    else kept[name] = freezeJson(name === 'decision' && isJsonObject(value) ? withoutNulls(value) : value)
  }
  // What is written is read back: the step after this one needs no look at its fields.
  known.set(kept, given)
  return Object.freeze(kept)
}

/** The JSON text of no context. */
const noContext = 'null'

function withoutNulls(given: JsonObject): JsonObject {
  const kept: Record<string, JsonValue> = {}
  for (const name in given) if (given[name] !== null) kept[name] = given[name] ?? null
  return kept
}

/** What is stored under `a:<approvalId>`: `null` for nothing, `unreadable` where this version cannot read it. */
export function readApproval(stored: Stored): ApprovalState | 'unreadable' | null {
  const state = readState(stored)
  if (state === null || state === 'unreadable') return state
  // The fields are checked, and nothing but this module's types is ever written.
  return fill(state, approvalKinds) as ApprovalState | 'unreadable'
}

/** What is stored under `r:<ref>`. */
export function readReservation(stored: Stored): ReservationState | 'unreadable' | null {
  const state = readState(stored)
  if (state === null || state === 'unreadable') return state
  // `fill` has checked every field.
  return fill(state, reservationKinds) as ReservationState | 'unreadable'
}

function readState({ entry, unreadable }: Stored): JsonObject | 'unreadable' | null {
  if (entry === null) return unreadable === undefined ? null : 'unreadable'
  return entry.state['v'] === formatVersion ? entry.state : 'unreadable'
}

const isText = (value: JsonValue): boolean => typeof value === 'string'
const isNumber = (value: JsonValue): boolean => typeof value === 'number'
const isNull = (value: JsonValue): boolean => value === null

/** What a field may hold, and what stands for it where it is left out. */
const fieldTypes = {
  text: { is: isText, absent: undefined },
  '?text': { is: (value: JsonValue) => isNull(value) || isText(value), absent: null },
  number: { is: isNumber, absent: 0 },
  '?number': { is: (value: JsonValue) => isNull(value) || isNumber(value), absent: null },
  '?flag': { is: (value: JsonValue) => typeof value === 'boolean', absent: false },
  object: { is: isJsonObject, absent: undefined },
  '?object': { is: (value: JsonValue) => isNull(value) || isJsonObject(value), absent: null },
  '?decision': { is: (value: JsonValue) => isNull(value) || isJsonObject(value), absent: null },
  '?context': { is: isText, absent: noContext },
  texts: { is: (value: JsonValue) => Array.isArray(value) && value.every(isText), absent: undefined },
} as const
type FieldType = keyof typeof fieldTypes
type Fields = Readonly<Record<string, FieldType>>

/** A kind of state: its fields, and an object that has them all, since a copy of that costs less than adding each. */
interface Kind {
  readonly fields: readonly (readonly [name: string, type: FieldType])[]
  readonly blank: Readonly<Record<string, unknown>>
}

function kindOf(fields: Fields): Kind {
  const pairs = Object.entries(fields)
  return { fields: pairs, blank: Object.fromEntries([['v', 0], ['kind', ''], ...pairs.map(([name]) => [name, null])]) }
}

const openFields: Fields = {
  ...{ ref: '?text', action: 'text', assistant: '?text', expiresAt: '?number', expiresAfterMs: '?number' },
  ...{ details: 'text', context: '?context', since: 'number', fence: 'number', attempts: 'number' },
  ...{ holder: '?text', leaseEnd: '?number', counted: '?flag', notBefore: 'number', nudged: '?flag' },
  ...{ quickPolls: 'number', decision: '?decision', parked: '?object' },
}
const tombstoneFields: Fields = {
  ...{ holder: 'text', ref: '?text', action: 'text', assistant: '?text', outcome: 'text' },
  ...{ decision: '?decision', result: '?text', until: 'number' },
}
const reservedFields: Fields = {
  ...{ owner: 'text', ownedUntil: 'number', sent: '?flag', since: 'number', digest: '?text', request: 'object' },
  candidates: 'texts',
}
const approvalKinds: ReadonlyMap<string, Kind> = new Map([
  ['open', kindOf(openFields)],
  ['completed', kindOf(tombstoneFields)],
])
const reservationKinds: ReadonlyMap<string, Kind> = new Map([
  ['reserved', kindOf(reservedFields)],
  ['binding', kindOf({ ...reservedFields, id: 'text', beginning: 'object' })],
  ['bound', kindOf({ id: 'text', digest: '?text' })],
  ['discarded', kindOf({ by: 'text' })],
])

/** States that were read before: one step reads the same one several times. */
const known = new WeakMap<object, unknown>()

/** The state with what was left out, or that it is not one. */
function fill(state: JsonObject, kinds: ReadonlyMap<string, Kind>): unknown {
  const kind = kinds.get(String(state['kind']))
  if (kind === undefined) return 'unreadable'
  const before = known.get(state)
  if (before !== undefined) return before
  const filled: Record<string, unknown> = { ...kind.blank, v: state['v'], kind: state['kind'] }
  for (const [name, type] of kind.fields) {
    const { is, absent } = fieldTypes[type]
    const value = state[name] ?? absent
    if (value === undefined || !is(value)) return 'unreadable'
    filled[name] = type === '?decision' && value !== null ? { ...blankDecision, ...Object(value) } : value
  }
  known.set(state, filled)
  return filled
}

/** The fields of a decision, in order, with what may be left out. */
const blankDecision = { status: null, modifiedDetails: null, note: null, decidedAt: null, via: null }
