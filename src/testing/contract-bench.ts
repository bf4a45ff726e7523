import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  AddOptions,
  ApprovalRecord,
  ClaimAnswer,
  ClaimOptions,
  Draft,
  NewRecord,
  ParkReason,
  Store,
} from '../index.js'

/** A store to test, empty and apart from every other. */
export interface StoreUnderTest {
  readonly store: Store
  /**
   * Moves the clock that the store reads by exactly so many milliseconds. With it every limit in time is tested one
   * millisecond before, at and after it; without it the cases wait, and allow for a slow machine.
   */
  readonly tick?: ((ms: number) => void | Promise<void>) | undefined
  /** Frees what the store holds, after each case. */
  readonly dispose?: (() => Promise<void>) | undefined
}

/** Makes the stores that `storeContract` tests. */
export interface StoreHarness {
  /** Called once or more for each case. */
  create(): Promise<StoreUnderTest>
}

/** A sentence that a store keeps, and how to see whether it does. */
export type Case = readonly [name: string, body: (bench: Bench) => Promise<void>]

/** A duration that ends during no case. */
export const long = 600_000

/** What real time lasted longer than it may for a check to mean something. */
class TooSlow extends Error {}

/** Runs a case on a store of its own. In real time it starts again with longer durations where the machine was too slow. */
export async function runCase(harness: StoreHarness, body: (bench: Bench) => Promise<void>): Promise<void> {
  for (const span of [100, 500, 2_500]) {
    const { store, tick, dispose } = await harness.create()
    try {
      return await body(new Bench(store, tick, tick === undefined ? span : 1_000))
    } catch (error) {
      if (!(error instanceof TooSlow) || span === 2_500) throw error
    } finally {
      await dispose?.()
    }
  }
}

/** What cases are made of: the store, its time, and the usual first steps. */
export class Bench {
  readonly store: Store
  /** A duration that a case can wait for. */
  readonly span: number
  readonly #tick: StoreUnderTest['tick']
  #passed = 0

  constructor(store: Store, tick: StoreUnderTest['tick'], span: number) {
    this.store = store
    this.span = span
    this.#tick = tick
  }

  get exact(): boolean {
    return this.#tick !== undefined
  }

  /** The time that passed, in milliseconds; only differences mean something. */
  now(): number {
    return this.exact ? this.#passed : performance.now()
  }

  async pass(ms: number): Promise<void> {
    if (this.#tick === undefined) {
      // Not unref'd: nothing else may keep the process alive while a case waits.
      await sleep(ms + 10)
      return
    }
    this.#passed += ms
    await this.#tick(ms)
  }

  /** Remembers this moment. Take it before the call whose duration is measured. */
  mark(): Mark {
    return new Mark(this)
  }

  async add(id: string, options: Partial<NewRecord & AddOptions> = {}): Promise<void> {
    const { dueInMs = long, sealed, parked, ...record } = options
    assert.equal(await this.store.add(newRecord(id, record), { dueInMs, sealed, parked }), 'added', `add(${id})`)
  }

  async claim(id: string, token: string, leaseMs: number = long, options: ClaimOptions = {}): Promise<Claimed> {
    const answer = await this.store.claim(id, token, leaseMs, options)
    assert.equal(answer.kind, 'claimed', `claim(${id}) by ${token}`)
    return answer as Claimed
  }

  /** A record whose holder let its lease run out, and was not followed by anybody. */
  async lapse(id: string, token: string): Promise<void> {
    await this.claim(id, token, 1)
    await this.pass(1)
  }

  /** A record that `first` lost to `second`. */
  async takeOver(id: string, first: string, second: string): Promise<void> {
    await this.lapse(id, first)
    await this.claim(id, second)
  }

  async finish(id: string, options: { result?: string | null; retentionMs?: number } = {}): Promise<void> {
    const { result = null, retentionMs = long } = options
    await this.claim(id, 'finisher', long, { force: true })
    await this.store.seal(id, 'finisher', approved)
    assert.equal(await this.store.complete(id, 'finisher', { outcome: 'approved', result }, retentionMs), 'done')
  }

  async park(id: string, reason: ParkReason = 'edit-invalid', note = 'see the amount'): Promise<void> {
    await this.claim(id, 'parker', long, { force: true })
    assert.equal(await this.store.park(id, 'parker', reason, note), 'parked', `park(${id})`)
  }

  async reserve(ref: string, dueInMs: number = long): Promise<void> {
    const answer = await this.store.reserve(ref, newDraft({ ref }), { dueInMs })
    assert.deepEqual(answer, { kind: 'reserved' }, `reserve(${ref})`)
  }

  async bind(ref: string, id: string, options: Partial<AddOptions> = {}): Promise<void> {
    assert.equal(await this.store.bind(ref, id, { dueInMs: long, ...options }), 'bound', `bind(${ref}, ${id})`)
  }

  /** Everything that is due now, as `kind:key`, taken for a long time. */
  async due(limit = 1_000): Promise<string[]> {
    return (await this.store.takeDue(limit, long)).map((key) =>
      key.kind === 'approval' ? `approval:${key.id}` : `reservation:${key.ref}`,
    )
  }

  /** Time until this open record is due. */
  async dueIn(id: string): Promise<number> {
    const snapshot = await this.store.get(id)
    assert.ok(snapshot?.state === 'pending' || snapshot?.state === 'claimed', `${id} is open`)
    return snapshot.dueInMs
  }
}

/** A moment that durations are counted from. */
export class Mark {
  readonly #bench: Bench
  readonly #start: number

  constructor(bench: Bench) {
    this.#bench = bench
    this.#start = bench.now()
  }

  get elapsed(): number {
    return this.#bench.now() - this.#start
  }

  /** Checks the last millisecond before `ms` have passed; in real time some moment before. */
  async before(ms: number, check: () => Promise<void>): Promise<void> {
    if (this.#bench.exact) {
      await this.#bench.pass(ms - 1 - this.elapsed)
      await check()
      return
    }
    const failure = await check().catch((error: unknown) => ({ error }))
    // A check that came too late failed, or passed, for no reason.
    if (this.elapsed >= ms) throw new TooSlow(`a check took ${Math.round(this.elapsed)} ms, more than ${ms}`)
    if (failure !== undefined) throw failure.error
  }

  /** Checks the very moment when `ms` have passed; in real time a little later. */
  async at(ms: number, check: () => Promise<void>): Promise<void> {
    // In real time the store may have begun to count later than the mark.
    await this.#bench.pass(this.#bench.exact ? Math.max(ms - this.elapsed, 0) : ms)
    await check()
  }

  /** Checks the first millisecond after `ms` have passed; in real time a little later. */
  async after(ms: number, check: () => Promise<void>): Promise<void> {
    await this.at(ms + 1, check)
  }

  /** What a store says is left of a duration that began at this mark. */
  left(actual: number, ms: number): void {
    if (this.#bench.exact) assert.equal(actual, ms - this.elapsed)
    else between(actual, ms - this.elapsed, ms)
  }

  /** What a store says has passed since this mark. */
  age(actual: number): void {
    if (this.#bench.exact) assert.equal(actual, this.elapsed)
    else between(actual, 0, this.elapsed)
  }
}

/** Allows for a store whose clock counts whole milliseconds. */
function between(actual: number, least: number, most: number): void {
  assert.ok(actual >= least - 2 && actual <= most + 2, `${actual} ms is not between ${least} and ${most} ms`)
}

export type Claimed = Extract<ClaimAnswer, { kind: 'claimed' }>

/** A sealed decision as a store sees it: a text. */
export const approved = '{"status":"approved","modifiedDetails":null,"note":null,"decidedAt":null,"via":"poll"}'
export const rejected = '{"status":"rejected","modifiedDetails":null,"note":null,"decidedAt":null,"via":"poll"}'

export function newDraft(change: Partial<Draft> = {}): Draft {
  return {
    ref: null,
    action: 'process_refund',
    assistant: 'refunds',
    expiresAt: 1_767_225_600_000,
    details: '{"orderId":"8842","amount":120}',
    context: '{"customer":"c-17"}',
    ...change,
  }
}

export function newRecord(id: string, change: Partial<NewRecord> = {}): NewRecord {
  return { ...newDraft(change), id }
}

/** Asserts that a store gave back what was submitted. Which version it wrote is its own affair. */
export function assertRecord({ version, ...record }: ApprovalRecord, submitted: NewRecord): void {
  assert.deepEqual(record, submitted)
  assert.ok(Number.isSafeInteger(version) && version > 0, `version ${version}`)
}
