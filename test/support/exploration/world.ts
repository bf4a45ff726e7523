import { memoryStore } from '../../../src/stores/memory/memory-store.js'
import type { ReleaseOptions, Store } from '../../../src/stores/store.js'

/*
 * A small model of what surrounds a store: one request, two workers that follow the pipeline a step at a time and may die
 * between any two, and the one who submits. The store is the real one, under a clock that only the step `wait` moves.
 * The ledger keeps what truly happened, written down by somebody who sees everything.
 */

export const id = 'apr-1'
export const ref = 'ref-1'

/** Durations in steps of `wait`: few and short, so that states repeat. */
export const shortMs = 1
export const leaseMs = 2
export const backOffMs = 2
const quickPolls = 3
const forever = 1_000_000

/** How the workers behave; each of the last three is a bug. */
export interface Policy {
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly trustsCallbacks?: boolean
  readonly neverParksStarted?: boolean
  readonly completesBeforeRunning?: boolean
}

export type Phase =
  | 'idle'
  | 'took-key'
  | 'took-reservation'
  | 'claimed'
  | 'undecided'
  | 'confirmed'
  | 'sealed'
  | 'running'
  | 'finished'
  | 'threw'

export interface Worker {
  phase: Phase
  token: string
  byCallback: boolean
  /** A callback joined what the worker is doing, without going to the store. */
  joined: boolean
  /** What the claim told: a decision is sealed, and there were too many starts. */
  sealed: boolean
  mustPark: boolean
  /** Whether the decision was asked of the API. */
  confirmed: boolean
  ran: boolean
  /** How often a person had revived the record at the time of the claim. */
  life: number
  /** The write whose answer was lost: nothing else happens before it is sent again. */
  resends: string | null
}

/** What truly happened. */
export interface Ledger {
  /** The latest claim. `claimed` until it was given back. */
  token: string | null
  claimed: boolean
  leaseEnd: number
  notBefore: number
  /** Quick looks owed, and whether the time that is due now was set while one was. */
  owed: number
  quick: boolean
  /** A callback named the id before it was bound. */
  isCandidate: boolean
  /** Whether the sealed decision was asked of the API. */
  confirmed: boolean
  /** How often a person revived the record, and the starts since then. */
  life: number
  starts: number
  readonly completions: Set<string>
  unearnedCompletions: number
  unconfirmedStarts: number
  strayWrites: number
  earlyTakeovers: number
}

export class World {
  readonly policy: Policy
  readonly store: Store
  readonly workers: readonly [Worker, Worker] = [idle(), idle()]
  readonly ledger: Ledger = {
    token: null,
    claimed: false,
    leaseEnd: 0,
    notBefore: 0,
    owed: 0,
    quick: false,
    isCandidate: false,
    confirmed: false,
    life: 0,
    starts: 0,
    completions: new Set(),
    unearnedCompletions: 0,
    unconfirmedStarts: 0,
    strayWrites: 0,
    earlyTakeovers: 0,
  }
  submission: 'none' | 'reserved' | 'abandoned' | 'bound' = 'none'
  decided = false
  now = 1_767_225_600_000
  #tokens = 0

  constructor(policy: Policy, bug: (store: Store) => Store = (store) => store) {
    this.policy = policy
    this.store = bug(memoryStore({ maxPending: 10, clock: { now: () => Number.NaN, elapsed: () => this.now } }))
  }

  async add(): Promise<void> {
    await this.store.add({ ...draft, id }, { dueInMs: shortMs })
    this.submission = 'bound'
  }

  async reserve(): Promise<void> {
    await this.store.reserve(ref, draft, { dueInMs: shortMs })
    this.submission = 'reserved'
  }

  async bind(): Promise<void> {
    await this.store.bind(ref, id, { dueInMs: backOffMs })
    this.submission = 'bound'
    this.ledger.quick = this.ledger.isCandidate
  }

  async claim(worker: Worker, byCallback: boolean): Promise<void> {
    const { ledger, policy } = this
    const token = `token-${++this.#tokens}`
    const answer = await this.store.claim(id, token, leaseMs, byCallback ? { ref, knock: true } : {})
    if (byCallback && ['claimed', 'held', 'too-soon'].includes(answer.kind)) this.#knocked()
    reset(worker)
    if (answer.kind === 'unknown' && byCallback && (await this.store.hold(ref, id)) === 'held') {
      ledger.isCandidate = true
    }
    if (answer.kind !== 'claimed') return
    if (ledger.claimed && ledger.leaseEnd > this.now) ledger.earlyTakeovers++
    Object.assign(ledger, { token, claimed: true, leaseEnd: this.now + leaseMs })
    Object.assign(worker, {
      phase: 'claimed',
      token,
      byCallback,
      sealed: answer.sealed !== null,
      mustPark: answer.starts >= maxAttempts(policy) && policy.neverParksStarted !== true,
      life: ledger.life,
    })
  }

  async knock(): Promise<void> {
    if ((await this.store.knock(id, { ref, withinMs: shortMs })) === 'knocked') this.#knocked()
  }

  async takeDue(worker: Worker): Promise<void> {
    const [key] = await this.store.takeDue(1, shortMs)
    if (key !== undefined) worker.phase = key.kind === 'approval' ? 'took-key' : 'took-reservation'
  }

  /** What a sweep does with a reservation that nobody bound. */
  async adopt(worker: Worker): Promise<void> {
    const candidate = (await this.store.reservation(ref))?.candidates[0]
    if (candidate === undefined || !this.decided) {
      await this.store.postpone(ref, backOffMs)
    } else {
      // Both ways that a user may choose are walked, one with each guarantee.
      const parked = this.policy.guarantee === 'at-most-once' ? 'adopted' : undefined
      if ((await this.store.bind(ref, candidate, { dueInMs: 0, parked })) === 'bound') this.submission = 'bound'
    }
    reset(worker)
  }

  confirm(worker: Worker): void {
    const believes = this.policy.trustsCallbacks === true && worker.byCallback
    worker.phase = this.decided || believes ? 'confirmed' : 'undecided'
    worker.confirmed = this.decided && !believes
    if (worker.phase === 'confirmed') worker.joined = false
  }

  async extend(worker: Worker): Promise<void> {
    if ((await this.store.extend(id, worker.token, leaseMs)) === 'lost') return
    this.#wrote(worker)
    this.ledger.leaseEnd = this.now + leaseMs
  }

  async seal(worker: Worker): Promise<void> {
    const { kind } = await this.store.seal(id, worker.token, '{"status":"approved"}')
    if (kind === 'lost') return reset(worker)
    this.#wrote(worker)
    this.ledger.confirmed ||= worker.confirmed
    worker.phase = this.policy.completesBeforeRunning === true ? 'finished' : 'sealed'
  }

  start(worker: Worker): void {
    if (worker.life === this.ledger.life) this.ledger.starts++
    if (!this.ledger.confirmed) this.ledger.unconfirmedStarts++
    worker.phase = 'running'
  }

  finish(worker: Worker): void {
    worker.phase = 'finished'
    worker.ran = true
  }

  async complete(worker: Worker): Promise<void> {
    const answer = await this.store.complete(id, worker.token, { outcome: 'approved', result: null }, forever)
    if (answer === 'lost') return
    this.#wrote(worker)
    if (!worker.ran) this.ledger.unearnedCompletions++
    this.ledger.completions.add(worker.token)
    this.ledger.claimed = false
  }

  async release(worker: Worker, options: ReleaseOptions): Promise<void> {
    const { ledger } = this
    const answer = await this.store.release(id, worker.token, { ...options, knocked: worker.joined })
    if (answer === 'lost') return
    this.#wrote(worker)
    if (!ledger.claimed) return
    if (worker.joined) ledger.owed = quickPolls
    Object.assign(ledger, {
      claimed: false,
      notBefore: this.now + options.notBeforeMs,
      quick: ledger.owed > 0,
      owed: Math.max(ledger.owed - 1, 0),
    })
  }

  async park(worker: Worker): Promise<void> {
    if ((await this.store.park(id, worker.token, 'attempt-unfinished', '')) === 'lost') return
    this.#wrote(worker)
    this.ledger.claimed = false
  }

  async cancel(): Promise<void> {
    if ((await this.store.cancel(id, forever)) === 'cancelled') this.ledger.claimed = false
  }

  async retry(): Promise<void> {
    if ((await this.store.retry(id)) !== 'pending') return
    const { ledger } = this
    Object.assign(ledger, { token: null, life: ledger.life + 1, starts: 0, notBefore: this.now })
  }

  #knocked(): void {
    Object.assign(this.ledger, { owed: quickPolls, quick: true })
  }

  /** The store took a write of this worker. Whether it still holds the record is what the ledger knows. */
  #wrote(worker: Worker): void {
    if (this.ledger.token !== worker.token) this.ledger.strayWrites++
  }
}

/** What a worker is that knows nothing: before its work, after it, and after it died. */
export function reset(worker: Worker): void {
  Object.assign(worker, idle())
}

function idle(): Worker {
  return {
    phase: 'idle',
    token: '',
    byCallback: false,
    joined: false,
    sealed: false,
    mustPark: false,
    confirmed: false,
    ran: false,
    life: 0,
    resends: null,
  }
}

/** After so many starts a record is parked: at-most-once after one whose end nobody knows. */
function maxAttempts({ guarantee }: Policy): number {
  return guarantee === 'at-most-once' ? 1 : 2
}

const draft = {
  ref,
  action: 'process_refund',
  assistant: null,
  expiresAt: null,
  details: '{}',
  context: 'null',
} as const
