import {
  type ApprovalState,
  compact,
  type OpenApproval,
  readApproval,
  type Step,
} from '../../../src/approvals/entry.js'
import type { ConfirmedDecision } from '../../../src/model/confirmed-decision.js'
import type { Entry, Stored } from '../../../src/stores/store.js'
import { type ApprovalTransitions, approvalTransitions } from './transitions.js'

/*
 * One approval, two workers that execute the pipeline write by write, and a store with compare-and-set. A worker's
 * write may succeed with its response lost, or arrive at any later time or never; a worker may die between two writes.
 * The ledger records what really happened.
 */

/** How the workers behave. The last two are bugs. */
export interface Policy {
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly trustsCallbacks?: boolean
  readonly completesBeforeRunning?: boolean
}

/** How often each fault may occur in one path. All other moves may happen any number of times. */
export interface Bounds {
  /** Writes whose response is lost, or that arrive later or never. */
  readonly faults: number
  /** How often the API changes its decision. */
  readonly flips: number
  /** How often the store's clock is set forward. */
  readonly steps: number
  /** How often the request is added again after its tombstone expired. */
  readonly lives: number
  /** Actions of operators: cancel and retry. */
  readonly persons: number
}

/** Durations in steps of `time passes`: few and short, so that states repeat. */
export const times = { lease: 2, minInterval: 0, backOff: 2, hide: 1, first: 1 }
/** The minimum remaining lease for a handler to start. */
const enough = 1
const maxAttempts = 2
const keepMs = 1_000_000

export type Operation =
  | 'claims for a callback'
  | 'claims for a sweep'
  | 'records'
  | 'records without a place'
  | 'extends'
  | 'releases undecided'
  | 'releases a failed run'
  | 'gives the attempt back'
  | 'parks'
  | 'completes'

export type Phase = 'idle' | 'claimed' | 'undecided' | 'confirmed' | 'ready' | 'running' | 'ended'

/** A write in flight. */
export interface Flight {
  readonly by: Operation
  readonly token: string
  readonly expected: string | null
  readonly entry: Entry
  /** Result of the step if the write succeeds. */
  readonly result: string
  /** Whether the worker's handler had run when the write was sent. */
  readonly earned: boolean
  /** By the clock of the process, when the operation began. */
  readonly sentAt: number
}

export interface Worker {
  readonly phase: Phase
  readonly token: string
  /** The entry as the worker knows it. */
  readonly held: Entry | null
  /** How far the store's clock had been set forward at that read. */
  readonly heldStep: number
  /** End of its lease as it knows it, by the clock of the process. */
  readonly believes: number
  /** The decision of the API, and whether it was requested. */
  readonly said: string | null
  readonly confirmed: boolean
  readonly ran: boolean
  readonly flight: Flight | null
  /** A rejected operation, which may be repeated with the same token. */
  readonly rejected: Operation | null
}

/** What really happened in this life of the approval. */
export interface Ledger {
  readonly recorded: string | null
  readonly completions: number
  /** Since it was revived last. */
  readonly starts: number
  readonly counted: readonly string[]
  readonly nudged: boolean
}

export interface State {
  readonly now: number
  /** How far the store's clock was set forward: once, by one lease. */
  readonly step: number
  readonly drawn: number
  readonly api: string | null
  readonly left: Bounds
  readonly entry: Entry | null
  /** A write that was reported as failed, but may still succeed. */
  readonly late: Flight | null
  readonly workers: readonly [Worker, Worker]
  readonly ledger: Ledger
  readonly broken: string | null
}

export const idle: Worker = {
  ...{ phase: 'idle', token: '', held: null, heldStep: 0, believes: 0, said: null, confirmed: false, ran: false },
  ...{ flight: null, rejected: null },
}
const newLedger: Ledger = { recorded: null, completions: 0, starts: 0, counted: [], nudged: false }

const blank: Omit<State, 'left'> = {
  ...{ now: 100, step: 0, drawn: 0, api: null, entry: null, late: null, broken: null },
  workers: [idle, idle],
  ledger: newLedger,
}

const request = {
  ...{ ref: 'ref', action: 'refund', assistant: null, expiresAt: null, expiresAfterMs: null },
  ...{ details: '{}', context: 'null' },
}
const beginning = { dueInMs: times.first, decision: null, parked: null }

/** The world with these transitions instead of the real ones. */
export class ApprovalWorld {
  readonly steps: ApprovalTransitions
  readonly policy: Policy

  readonly initial: State

  constructor(policy: Policy, bounds: Bounds, replaced: Partial<ApprovalTransitions> = {}) {
    this.policy = policy
    this.initial = { ...blank, left: bounds }
    this.steps = { ...approvalTransitions, ...replaced }
  }

  // Moves of the environment.

  add(state: State): State {
    const { next } = this.steps.add(stored(state), { request, beginning })
    return spend({ ...this.#write(state, next), ledger: newLedger }, 'lives')
  }

  nudge(state: State): State {
    const { result, next } = this.steps.nudge(stored(state), { ref: 'ref', withinMs: times.minInterval })
    return this.#noteNudge(this.#write(state, next), result.kind === 'nudged')
  }

  cancel(state: State): State {
    return spend(
      this.#write(state, this.steps.cancel(stored(state), { by: `t${state.drawn}`, keepMs }).next),
      'persons',
    )
  }

  retry(state: State): State {
    const { next } = this.steps.retry(stored(state), { by: `t${state.drawn}` })
    if (next === undefined) return state
    const ledger = { ...state.ledger, starts: 0, counted: [], nudged: false }
    return spend({ ...this.#write(state, next), ledger }, 'persons')
  }

  /** The retention ends. No first write is in flight that long. */
  expire(state: State): State {
    const late = state.late?.expected === null ? null : state.late
    return { ...state, entry: null, late }
  }

  /** A sweeper takes the key. Its next step, if any, is a worker's move. */
  hide(state: State): State {
    const { entry, now } = state
    return entry === null ? state : { ...state, entry: { ...entry, dueAt: now + times.hide } }
  }

  // Moves of a worker.

  /** Begins or repeats an operation: a read, if it holds nothing yet, and a step. */
  begin(state: State, at: 0 | 1, by: Operation): State {
    const isClaim = by.startsWith('claims')
    const given = state.workers[at]
    const isNew = isClaim && given.rejected === null
    const worker = isNew ? { ...idle, token: `t${state.drawn}` } : { ...given, rejected: null }
    const drawn = state.drawn + (isNew ? 1 : 0)
    const next = withWorker({ ...state, drawn }, at, worker)
    const known = isClaim ? stored(next) : { now: estimate(next, worker), entry: worker.held }
    return this.#take(next, at, by, known, processTime(next))
  }

  /** The write succeeds or is refused, and the worker learns the result. */
  answer(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    if (flight === null) return state
    const landed = this.land(state, flight)
    const believes = flight.sentAt + times.lease
    if (isStored(landed, flight)) return this.#finish(landed, at, flight.by, flight.result, { ...flight, believes })
    // Another writer won: read again, and step with the same token.
    const sentAt = flight.by.startsWith('claims') ? processTime(landed) : flight.sentAt
    return this.#take(landed, at, flight.by, stored(landed), sentAt)
  }

  /** The write succeeds or is refused, and the result is lost. */
  loseAnswer(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    return flight === null ? state : spend(reject(this.land(state, flight), at, flight), 'faults')
  }

  /** The write stays in flight for now, or for ever. */
  delay(state: State, at: 0 | 1): State {
    const { flight } = state.workers[at]
    return flight === null ? state : spend(reject({ ...state, late: flight }, at, flight), 'faults')
  }

  /** Compare-and-set, independent of what the writer learns. */
  land(state: State, flight: Flight): State {
    if (state.entry?.stamp === flight.entry.stamp) return state
    if ((state.entry?.stamp ?? null) !== flight.expected) return state
    const audited = audit(state, flight)
    return { ...audited, entry: flight.entry }
  }

  confirm(state: State, at: 0 | 1): State {
    const worker = state.workers[at]
    const said = state.api ?? (this.policy.trustsCallbacks === true ? 'approved' : null)
    return withWorker(state, at, {
      ...worker,
      phase: said === null ? 'undecided' : 'confirmed',
      said,
      confirmed: state.api !== null,
    })
  }

  start(state: State, at: 0 | 1): State {
    const worker = state.workers[at]
    const held = openOf(worker.held)
    const { ledger } = state
    const decision = held?.decision?.status ?? null
    const isOver = ledger.completions > 0 && state.step === 0
    const broken =
      ledger.recorded === null || decision === null
        ? 'no handler starts without a recorded decision'
        : decision !== ledger.recorded
          ? 'the first recorded decision stays'
          : isOver
            ? 'nothing starts after the completion'
            : this.policy.guarantee === 'at-most-once' && ledger.starts > 0
              ? 'at most one start where that is the guarantee'
              : null
    return withWorker(
      { ...state, ledger: { ...ledger, starts: ledger.starts + 1 }, broken: state.broken ?? broken },
      at,
      { ...worker, phase: 'running' },
    )
  }

  hasEnough(state: State, at: 0 | 1): boolean {
    return state.workers[at].believes - processTime(state) >= enough
  }

  #take(state: State, at: 0 | 1, by: Operation, known: Stored, sentAt: number): State {
    const worker = state.workers[at]
    const { result, next } = this.#step(by, worker, known)
    if (next === undefined) {
      // If the claim succeeded earlier, less than a whole lease is left.
      const endsIn = (openOf(known.entry)?.leaseEnd ?? known.now) - known.now
      return this.#finish(state, at, by, result, { entry: known.entry, believes: sentAt + endsIn })
    }
    const entry = entryOf(next, `s${state.drawn}`)
    const flight: Flight = {
      ...{ by, token: worker.token, expected: known.entry?.stamp ?? null, entry, result, sentAt },
      earned: worker.ran,
    }
    return withWorker({ ...state, drawn: state.drawn + 1 }, at, { ...worker, flight })
  }

  #step(by: Operation, { token, said, held }: Worker, known: Stored): Step<string> {
    const { steps, policy } = this
    const attempts = openOf(held)?.attempts ?? 0
    switch (by) {
      case 'claims for a callback':
      case 'claims for a sweep': {
        const nudge = by === 'claims for a callback'
        const { result, next } = steps.claim(known, {
          token,
          leaseMs: times.lease,
          nudge,
          ref: nudge ? 'ref' : undefined,
        })
        const found = readApproval(known)
        if (result.kind === 'claimed' && next !== undefined && found !== null && found !== 'unreadable') {
          const most = policy.guarantee === 'at-most-once' ? 1 : maxAttempts
          if (found.kind === 'open' && found.attempts >= most)
            return {
              result: 'limit reached',
              next: steps.parkUnheld(known, { token, reason: 'too-many-attempts' }).next,
            }
        }
        return { result: result.kind, next }
      }
      case 'records':
      case 'records without a place': {
        const command = { token, leaseMs: times.lease, decision: decisionOf(said), countAttempt: by === 'records' }
        const { result, next } = steps.recordDecision(known, command)
        return { result: result.kind, next }
      }
      case 'extends':
        return steps.extend(known, { token, leaseMs: times.lease })
      case 'releases undecided':
        return steps.release(known, { token, dueInMs: times.backOff, notBeforeMs: times.minInterval })
      case 'releases a failed run':
        return attempts >= maxAttempts
          ? steps.park(known, { token, reason: 'too-many-attempts', note: '' })
          : steps.release(known, { token, dueInMs: times.backOff, notBeforeMs: times.backOff })
      case 'gives the attempt back':
        return steps.release(known, { token, dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true })
      case 'parks':
        return steps.park(known, { token, reason: 'handler-failed', note: '' })
      case 'completes':
        return steps.complete(known, { token, result: null, keepMs })
    }
  }

  /** The worker learns the result of its operation. */
  #finish(
    state: State,
    at: 0 | 1,
    by: Operation,
    result: string,
    { entry, believes }: { readonly entry: Entry | null; readonly believes: number },
  ): State {
    const worker: Worker = { ...state.workers[at], flight: null, rejected: null }
    const held = { ...worker, held: entry, heldStep: state.step }
    const renewed = { ...held, believes: Math.max(worker.believes, believes) }
    if (by.startsWith('claims')) {
      const isNudge = by === 'claims for a callback' && ['claimed', 'in-progress', 'too-soon'].includes(result)
      const noted = this.#noteNudge(state, isNudge)
      if (result !== 'claimed') return withWorker(noted, at, idle)
      const isRecorded = openOf(entry)?.decision !== null
      return checkHolders(withWorker(noted, at, { ...renewed, phase: isRecorded ? 'ready' : 'claimed' }))
    }
    if (by === 'records')
      return checkHolders(withWorker(state, at, result === 'recorded' ? { ...renewed, phase: 'ready' } : idle))
    if (by === 'extends') {
      if (result === 'extended') return checkHolders(withWorker(state, at, renewed))
      // Lost: a run that did not start is dropped; a started one continues, and its completion is refused.
      return withWorker(state, at, worker.phase === 'ready' ? idle : { ...held, believes: 0 })
    }
    return withWorker(state, at, idle)
  }

  #noteNudge(state: State, is: boolean): State {
    const found = openOf(state.entry)
    if (!is || state.ledger.recorded !== null || found === null || found.decision !== null || found.parked !== null)
      return state
    return { ...state, ledger: { ...state.ledger, nudged: true } }
  }

  /** An atomic write by something other than the workers. */
  #write(state: State, next: Step<never>['next']): State {
    if (next === undefined) return state
    return { ...state, entry: entryOf(next, `s${state.drawn}`), drawn: state.drawn + 1 }
  }
}

/** Invariants of each successful write. */
function audit(state: State, { by, token, entry, earned }: Flight): State {
  const before = openOf(state.entry)
  const after = openOf(entry)
  const { ledger, now } = state
  const fail = (invariant: string): State => ({ ...state, broken: state.broken ?? invariant })
  const isLive = before !== null && before.parked === null && before.leaseEnd !== null && before.leaseEnd > now
  if (by.startsWith('claims') && after !== null) {
    const isTakeover = after.holder === token && before?.holder !== token
    if (isTakeover && isLive) return fail('a lease is taken over only after it ran out')
    if (before === null) return fail('one completion an id')
    if (after.parked === null && after.holder === token && before.holder !== token && after.fence !== before.fence + 1)
      return fail('the fence rises by one with each claim')
  } else if (before?.holder !== token) return fail('no write by a worker that lost its claim')
  // One attempt per claim; a token that claims again after its lease ended has another attempt.
  const attempt = `${token}/${after?.fence}`
  const counted =
    after?.holder === token && after.counted && !ledger.counted.includes(attempt)
      ? [...ledger.counted, attempt]
      : by === 'gives the attempt back'
        ? ledger.counted.filter((each) => each !== attempt)
        : ledger.counted
  // Only starts must not repeat: an attempt that was counted and released unstarted is not a start.
  if (after !== null && after.attempts > counted.length) return fail('an attempt is counted once')
  const recorded = ledger.recorded ?? (by.startsWith('records') ? (after?.decision?.status ?? null) : null)
  const completions = ledger.completions + (by === 'completes' ? 1 : 0)
  if (completions > 1) return fail('one completion an id')
  if (by === 'completes' && !earned) return fail('a completion follows a finished run or a cancel')
  // The poll in progress may have been sent before the nudge; the release then makes the entry due.
  const nudged = ledger.nudged && by !== 'completes' && !by.startsWith('records')
  if (nudged && by === 'releases undecided' && entry.dueAt !== null && entry.dueAt > now + times.minInterval)
    return fail('a nudge is never lost')
  const left = by === 'releases undecided' ? false : nudged
  return { ...state, ledger: { ...ledger, counted, recorded, completions, nudged: left } }
}

/** At most one worker believes that it holds a live lease, while the clocks agree. */
function checkHolders(state: State): State {
  const live = state.workers.filter((worker) => holds(worker) && worker.believes > processTime(state))
  return live.length > 1 && state.step === 0 && state.broken === null
    ? { ...state, broken: 'at most one live holder' }
    : state
}

/** Whether a worker continues as the holder and does not release the lease. */
function holds({ phase, flight, rejected }: Worker): boolean {
  const by = flight?.by ?? rejected
  return phase !== 'idle' && (by === null || by === 'records' || by === 'extends')
}

/** Invariants of each state. */
export function brokenIn(state: State): string | null {
  const { entry, now, ledger } = state
  if (state.broken !== null) return state.broken
  const found = openOf(entry)
  if (entry === null || found === null) return null
  const isParked = found.parked !== null
  const isIndexed = isParked ? entry.parkedAt !== null : entry.dueAt !== null && entry.dueAt <= now + 2 * times.lease
  if (!isIndexed || (entry.dueAt === null) === (entry.parkedAt === null))
    return 'every open entry is in one of the indexes'
  if (ledger.nudged && !isParked && found.decision === null && found.leaseEnd === null && (entry.dueAt ?? 0) > now + 1)
    return 'a nudge is never lost'
  return null
}

const readings = new WeakMap<Entry, ApprovalState>()

/** The state of an entry. No entry is unreadable here. */
export function read(entry: Entry | null): ApprovalState | null {
  if (entry === null) return null
  const known = readings.get(entry) ?? readApproval({ now: 0, entry })
  if (known === null || known === 'unreadable') throw new Error('an entry that cannot be read')
  readings.set(entry, known)
  return known
}

export function openOf(entry: Entry | null): OpenApproval | null {
  const found = read(entry)
  return found?.kind === 'open' ? found : null
}

export function withWorker(state: State, at: 0 | 1, worker: Worker): State {
  const [first, second] = state.workers
  return { ...state, workers: at === 0 ? [worker, second] : [first, worker] }
}

/** Counts a bounded move. */
export function spend(state: State, what: keyof Bounds): State {
  return { ...state, left: { ...state.left, [what]: state.left[what] - 1 } }
}

function reject(state: State, at: 0 | 1, { by }: Flight): State {
  return withWorker(state, at, { ...state.workers[at], flight: null, rejected: by })
}

function isStored({ entry }: State, flight: Flight): boolean {
  return entry?.stamp === flight.entry.stamp
}

function stored({ now, entry }: State): Stored {
  return { now, entry }
}

function processTime({ now, step }: State): number {
  return now - step
}

/** The store's time as a holder knows it: its last read, advanced by the clock of its process. */
function estimate(state: State, { heldStep }: Worker): number {
  return state.now - (state.step - heldStep)
}

function entryOf({ state, dueAt, parkedAt }: NonNullable<Step<never>['next']>, stamp: string): Entry {
  return { stamp, dueAt, parkedAt, state: compact(state) }
}

function decisionOf(said: string | null): ConfirmedDecision {
  const status = said === 'rejected' ? 'rejected' : 'approved'
  return { status, modifiedDetails: null, note: null, decidedAt: null, via: 'poll' }
}
