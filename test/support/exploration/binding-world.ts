import { add } from '../../../src/approvals/approval.js'
import { addBound } from '../../../src/approvals/bind.js'
import {
  type ApprovalState,
  type BindingReservation,
  compact,
  type ReservationState,
  readApproval,
  readReservation,
  type Step,
  type TrackedRequest,
} from '../../../src/approvals/entry.js'
import type { Entry, Stored } from '../../../src/stores/store.js'
import { type ReservationTransitions, reservationTransitions } from './transitions.js'

/*
 * One submission under a reference, and two workers: each may submit it, bind it, or settle its reservation in the
 * sweep, write by write, as `submitter.ts`, `bind.ts` and `orphaned-submission.ts` do. The approval has its own key, so
 * a worker may die between the two writes.
 */

export type Transitions = ReservationTransitions & { readonly addBound: typeof addBound }

export type Key = 'r' | 'a1' | 'a2'
export type Id = '1' | '2'

/** How often each move may occur in one path. */
export interface Bounds {
  readonly faults: number
  /** Submissions under the same reference. */
  readonly submits: number
  /** An operator discards the reservation. */
  readonly discards: number
  /** An id that belongs to another request: tracked elsewhere, or named by a leaked token. */
  readonly strangers: number
}

export type Operation =
  | 'reserves'
  | 'marks sent'
  | 'begins to bind'
  | 'adds the approval'
  | 'ends to bind'
  | 'forgets'
  | 'keeps the reference'
  | 'postpones'

export interface Flight {
  readonly by: Operation
  readonly key: Key
  readonly expected: string | null
  readonly entry: Entry
  readonly keeps: boolean
  readonly result: unknown
}

export interface Worker {
  readonly phase: 'idle' | 'working' | 'may send'
  readonly token: string
  /** The id to bind, and the reservation at the start of the binding. */
  readonly id: Id | null
  readonly begun: BindingReservation | null
  readonly isBound: boolean
  readonly isAdopted: boolean
  readonly keepMs: number | null
  /** The reservation is gone: the approval is added without it. */
  readonly alone: boolean
  readonly flight: Flight | null
  readonly rejected: Operation | null
}

export interface State {
  readonly now: number
  readonly drawn: number
  readonly left: Bounds
  readonly entries: Readonly<Record<Key, Entry | null>>
  /** Entries that expire. */
  readonly ends: Readonly<Record<Key, boolean>>
  readonly late: Flight | null
  readonly workers: readonly [Worker, Worker]
  /** Ids that Cheqpoint gave to this submission. */
  readonly sent: readonly Id[]
  /** How often the reference became free again: discarded, or expired with its approval. */
  readonly freed: number
  /** Ids that were added under this reference. */
  readonly followed: readonly Id[]
  readonly broken: string | null
}

/** One step of time, in milliseconds: as long as a submission may take to mark itself as sent. */
export const unit = 5_000
const wait = 2 * unit
/** How long a tombstone is kept. */
const retentionMs = 2 * unit

export const idle: Worker = {
  ...{ phase: 'idle', token: '', id: null, begun: null, isBound: false, isAdopted: false, keepMs: null, alone: false },
  ...{ flight: null, rejected: null },
}

const request: TrackedRequest = {
  ...{ ref: 'ref', action: 'refund', assistant: null, expiresAt: null, expiresAfterMs: null },
  ...{ details: '{}', context: 'null' },
}

export class BindingWorld {
  readonly initial: State
  readonly steps: Transitions
  readonly #digest: string | null

  constructor(kind: 'keyed' | 'random', bounds: Bounds, replaced: Partial<Transitions> = {}) {
    this.#digest = kind === 'keyed' ? 'digest' : null
    this.steps = { ...reservationTransitions, addBound, ...replaced }
    this.initial = {
      ...{ now: 1_000_000, drawn: 0, left: bounds, late: null, workers: [idle, idle], sent: [], freed: 0 },
      ...{ entries: { r: null, a1: null, a2: null }, ends: { r: false, a1: false, a2: false } },
      ...{ followed: [], broken: null },
    }
  }

  get isKeyed(): boolean {
    return this.#digest !== null
  }

  // Moves of the environment.

  /** A callback with the token of this reference names an id. */
  name(state: State, id: Id): State {
    return this.#write(state, 'r', this.steps.addCandidate(storedAt(state, 'r'), { id }).next)
  }

  /** The id is tracked without this reference. */
  trackElsewhere(state: State, id: Id): State {
    const beginning = { dueInMs: unit, decision: null, parked: null }
    const step = { request: { ...request, ref: null }, beginning }
    return this.#write(spend(state, 'strangers'), `a${id}`, add(storedAt(state, `a${id}`), step).next)
  }

  /** The approval is decided and its handler runs. */
  complete(state: State, id: Id): State {
    const found = readAt(state, `a${id}`)
    if (found?.kind !== 'open') return state
    const tombstone: ApprovalState = {
      ...{ kind: 'completed', holder: 'run', ref: found.ref, action: 'refund', assistant: null },
      ...{ outcome: 'approved', decision: null, result: null, until: state.now + retentionMs },
    }
    return this.#write(state, `a${id}`, { state: tombstone, dueAt: null, parkedAt: null, keepMs: retentionMs })
  }

  discard(state: State): State {
    const { result, next } = this.steps.discard(storedAt(state, 'r'), { by: `t${state.drawn}` })
    const written = spend(this.#write(state, 'r', next), 'discards')
    return { ...written, freed: state.freed + (result === 'discarded' ? 1 : 0) }
  }

  /** An entry expires. No first write is in flight that long. */
  end(state: State, key: Key): State {
    const reservation = key === 'r' ? readRef(state) : null
    const approval = reservation?.kind === 'bound' ? readAt(state, `a${idOf(reservation.id)}`) : null
    // Except a late one that was parked at once: it may belong to another submission.
    const isOpen = approval?.kind === 'open' && approval.parked === null
    const isNeeded = isOpen && reservation?.kind === 'bound' && reservation.digest !== null
    return {
      ...state,
      entries: { ...state.entries, [key]: null },
      ends: { ...state.ends, [key]: false },
      freed: state.freed + (reservation?.kind === 'bound' ? 1 : 0),
      broken: state.broken ?? (isNeeded ? 'a keyed reference is kept while its approval is open' : null),
    }
  }

  // Moves of a worker.

  submit(state: State, at: 0 | 1): State {
    const token = `t${state.drawn}`
    const next = spend({ ...state, drawn: state.drawn + 1 }, 'submits')
    return this.begin(withWorker(next, at, { ...idle, phase: 'working', token }), at, 'reserves')
  }

  /** Cheqpoint accepts the request. Its response arrives or is lost. */
  send(state: State, at: 0 | 1, isAnswered: boolean): State {
    const id: Id = state.sent.length === 0 ? '1' : '2'
    const sent = [...state.sent, id]
    const tooOften = sent.length > 1 + state.freed ? 'a submission is sent once' : null
    const next = { ...state, sent, broken: state.broken ?? tooOften }
    if (!isAnswered) return withWorker(next, at, idle)
    return this.begin(withWorker(next, at, { ...state.workers[at], phase: 'working', id }), at, 'begins to bind')
  }

  /** A sweep handles a due reference. */
  settle(state: State, at: 0 | 1): State {
    const token = `t${state.drawn}`
    const begun = { ...idle, phase: 'working', token } as const
    const known = readRef(state)
    const go = (by: Operation, worker: Partial<Worker> = {}): State =>
      this.begin(withWorker({ ...hidden(state), drawn: state.drawn + 1 }, at, { ...begun, ...worker }), at, by)
    if (known === null || known.kind === 'discarded') return state
    if (known.kind === 'binding') return go('adds the approval', { id: idOf(known.id), begun: known })
    if (known.kind === 'bound') {
      const approval = readAt(state, `a${idOf(known.id)}`)
      const keepMs = approval === null ? retentionMs : approval.kind === 'open' ? null : approval.until - state.now
      return go('keeps the reference', { keepMs })
    }
    if (state.now - known.since < wait) return go('postpones')
    if (!known.sent) return go('forgets')
    const [only, another] = known.candidates.filter((id) => state.entries[`a${idOf(id)}`] === null)
    if (only === undefined || another !== undefined) return go('postpones')
    return go('begins to bind', { id: idOf(only), isAdopted: true })
  }

  /** Begins or repeats an operation: a read and a step. */
  begin(state: State, at: 0 | 1, by: Operation): State {
    const worker = { ...state.workers[at], rejected: null }
    const key: Key = by === 'adds the approval' ? `a${worker.id ?? '1'}` : 'r'
    const { result, next } = this.#step(by, worker, storedAt(state, key))
    if (next === undefined) return this.#finish(withWorker(state, at, worker), at, by, result)
    const entry = entryOf(next, `s${state.drawn}`)
    const keeps = next.keepMs !== undefined
    const flight = { by, key, expected: state.entries[key]?.stamp ?? null, entry, keeps, result }
    return withWorker({ ...state, drawn: state.drawn + 1 }, at, { ...worker, flight })
  }

  answer(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    if (flight === null) return state
    const landed = this.land(state, flight)
    const told = withWorker(landed, at, { ...landed.workers[at], flight: null })
    if (told.entries[flight.key]?.stamp === flight.entry.stamp) return this.#finish(told, at, flight.by, flight.result)
    return this.begin(told, at, flight.by)
  }

  loseAnswer(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    return flight === null ? state : reject(this.land(state, flight), at, flight)
  }

  delay(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    return flight === null ? state : reject({ ...state, late: flight }, at, flight)
  }

  land(state: State, { by, key, expected, entry, keeps }: Flight): State {
    const stored = state.entries[key]
    if (stored?.stamp === entry.stamp || (stored?.stamp ?? null) !== expected) return state
    const next = {
      ...state,
      entries: { ...state.entries, [key]: entry },
      ends: { ...state.ends, [key]: keeps },
    }
    return by === 'adds the approval' ? this.#follow(next, key === 'a1' ? '1' : '2', stored) : next
  }

  #follow(state: State, id: Id, before: Entry | null): State {
    const isNew = before === null && !state.followed.includes(id)
    const followed = [...new Set([...state.followed, id])]
    const isOne = followed.length <= 1 + state.freed
    // An approval that is parked when added runs only if an operator retries it.
    const isAgain = before !== null || (state.followed.includes(id) && state.entries[`a${id}`]?.parkedAt === null)
    const broken = isAgain ? 'an approval is added once' : isOne || !isNew ? null : 'a reference is bound to one id'
    return { ...state, followed, broken: state.broken ?? broken }
  }

  #step(by: Operation, worker: Worker, known: Stored): Step<unknown> {
    const { steps } = this
    const { token, id, begun, isBound, isAdopted, keepMs, alone } = worker
    const dueInMs = unit
    const parked = isAdopted ? ('adopted' as const) : null
    const beginning = { dueInMs, decision: null, parked }
    switch (by) {
      case 'reserves': {
        const command = { owner: token, request, digest: this.#digest, dueInMs: wait, inFlightMs: unit }
        return steps.reserve(known, command)
      }
      case 'marks sent':
        return steps.markSent(known, { owner: token, dueInMs: wait })
      case 'begins to bind':
        return steps.beginBind(known, { id: id ?? '1', beginning, dueInMs })
      case 'adds the approval':
        return alone || begun === null
          ? add(known, { request, beginning })
          : steps.addBound(known, { reservation: begun, retentionMs })
      case 'ends to bind':
        return steps.endBind(known, { id: begun?.id ?? '1', bound: isBound, dueInMs })
      case 'forgets':
        return steps.discardUnsent(known, { by: token })
      case 'keeps the reference':
        return steps.keepBound(known, { dueInMs, keepMs })
      case 'postpones':
        return steps.postpone(known, { dueInMs })
    }
  }

  #finish(state: State, at: 0 | 1, by: Operation, given: unknown): State {
    const worker: Worker = { ...state.workers[at], flight: null, rejected: null }
    const done = withWorker(state, at, idle)
    const go = (next: Operation, changed: Partial<Worker> = {}): State =>
      this.begin(withWorker(state, at, { ...worker, ...changed }), at, next)
    // The results of the transitions that matter here.
    const result = given as { kind: string; reservation?: BindingReservation; known?: { ref?: string | null } }
    switch (by) {
      case 'reserves':
        if (result.kind === 'reserved') return go('marks sent')
        if (result.kind !== 'binding' || result.reservation === undefined) return done
        return go('begins to bind', { id: idOf(result.reservation.id) })
      case 'marks sent':
        return given === 'sent' ? withWorker(state, at, { ...worker, phase: 'may send' }) : done
      case 'begins to bind':
        if (result.kind === 'binding' && result.reservation !== undefined) {
          const begun = result.reservation
          // The approval is written under the id in the reservation.
          return go('adds the approval', { begun, id: idOf(begun.id) })
        }
        if (result.kind === 'unknown' && !worker.isAdopted) return go('adds the approval', { alone: true })
        return done
      case 'adds the approval': {
        if (worker.alone) return done
        const isBound = result.kind === 'added' || result.known?.ref === 'ref'
        return go('ends to bind', { isBound })
      }
      default:
        return done
    }
  }

  #write(state: State, key: Key, next: Step<never>['next']): State {
    if (next === undefined) return state
    return {
      ...state,
      entries: { ...state.entries, [key]: entryOf(next, `s${state.drawn}`) },
      ends: { ...state.ends, [key]: next.keepMs !== undefined },
      drawn: state.drawn + 1,
    }
  }
}

/** Invariants of each state. */
export function brokenIn(state: State): string | null {
  const { entries, ends, now, sent, followed, freed, broken } = state
  if (broken !== null) return broken
  for (const key of ['r', 'a1', 'a2'] as const) {
    const entry = entries[key]
    if (entry === null) continue
    const isIndexed = entry.parkedAt !== null || (entry.dueAt !== null && entry.dueAt <= now + 2 * wait)
    if (!ends[key] && !isIndexed) return 'every open entry is in one of the indexes'
  }
  const reservation = readRef(state)
  const isListed = reservation?.kind === 'binding' || (reservation?.kind === 'reserved' && reservation.sent)
  const isHeld = state.workers.some(({ alone }) => alone)
  if (sent.length > 0 && freed === 0 && followed.length === 0 && !isListed && !isHeld)
    return 'a submission that was sent is followed or listed'
  return null
}

export function readAt({ entries }: State, key: Key): ApprovalState | null {
  const found = readApproval({ now: 0, entry: entries[key] })
  return found === 'unreadable' ? null : found
}

export function readRef({ entries }: State): ReservationState | null {
  const found = readReservation({ now: 0, entry: entries.r })
  return found === 'unreadable' ? null : found
}

export function withWorker(state: State, at: 0 | 1, worker: Worker): State {
  const [first, second] = state.workers
  return { ...state, workers: at === 0 ? [worker, second] : [first, worker] }
}

export function spend(state: State, what: keyof Bounds): State {
  return { ...state, left: { ...state.left, [what]: state.left[what] - 1 } }
}

export function idOf(id: string): Id {
  return id === '1' ? '1' : '2'
}

function hidden(state: State): State {
  const { r } = state.entries
  return r === null ? state : { ...state, entries: { ...state.entries, r: { ...r, dueAt: state.now + unit } } }
}

function reject(state: State, at: 0 | 1, { by }: Flight): State {
  return spend(withWorker(state, at, { ...state.workers[at], flight: null, rejected: by }), 'faults')
}

function storedAt({ now, entries }: State, key: Key): Stored {
  return { now, entry: entries[key] }
}

function entryOf({ state, dueAt, parkedAt }: NonNullable<Step<never>['next']>, stamp: string): Entry {
  return { stamp, dueAt, parkedAt, state: compact(state) }
}
