import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  type CheqpointEvent,
  createClient,
  memoryStore,
  register as registerWith,
  type Store,
  type Tracked,
  toResponse,
  type VerifiedDecision,
  type VerifyOptions,
  verifyAndResolve,
} from '../../src/index.js'
import { type Completable, completion } from '../../src/stores/store.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'
import { kept, rewrite, takeOver } from '../support/kept.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const id = 'req_1'
const details = { orderId: '8842', amount: 120 }

function coreBench(options: Partial<VerifyOptions> = {}) {
  const api = new FakeApi()
  const events: CheqpointEvent[] = []
  const store: Store = options.store ?? memoryStore()
  const client = createClient({ apiKey: 'cq_live_test', dispatcher: api })
  const all: VerifyOptions = { client, random: () => 0.5, onEvent: (event) => events.push(event), ...options, store }
  return {
    api,
    events,
    store,
    options: all,
    register: (more: Partial<Tracked> = {}) => registerWith(id, { action: 'refund', details, ...more }, all),
    verify: (request: Request = callbackRequest(id)) => verifyAndResolve(request, all),
    /** The claim of a decision that must have been confirmed. */
    async claim() {
      const outcome = await verifyAndResolve(callbackRequest(id), all)
      if (outcome.kind !== 'ok') throw new Error(`it was ${outcome.kind}`)
      return outcome.claim
    },
  }
}

describe('verifyAndResolve', () => {
  it('gives a confirmed and recorded decision with the right to act on it', async () => {
    const { api, events, store, register, verify } = coreBench()
    await register()
    api.approve(id, { decisionNote: 'fine' })
    const outcome = await verify()
    expect(outcome).toEqual({ kind: 'ok', claim: expect.anything() })
    const { claim } = outcome as VerifiedDecision // the line above has just told
    expect(claim).toMatchObject({
      approvalId: id,
      attempt: 1,
      fence: 1,
      idempotencyKey: `cheqpoint:${id}`,
      decision: { status: 'approved', details, originalDetails: details, note: 'fine', via: 'callback' },
      confirmed: { status: 'approved', modifiedDetails: null, note: 'fine' },
    })
    expect(claim.signal.aborted).toBe(false)
    expect(await kept(store, id)).toMatchObject({
      state: 'claimed',
      attempts: 1,
      decision: { status: 'approved', note: 'fine' },
      dueInMs: 30_000,
    })
    // The callback had no note.
    expect(events.map(({ type }) => type)).toEqual(['confirmed', 'mismatch'])
  })

  it('believes the API and not the callback', async () => {
    const { api, register, claim } = coreBench()
    await register()
    api.reject(id)
    expect((await claim()).decision.status).toBe('rejected')
  })

  it('uses the recorded decision, even if the API returns another now', async () => {
    const inner = memoryStore()
    const faulty = new FaultyStore(inner)
    const { api, register, claim } = coreBench({ store: faulty.store })
    await register()
    const recorded = { status: 'rejected', modifiedDetails: null, note: 'first', decidedAt: null, via: 'poll' }
    api.approve(id)
    const recording = faulty.hold('record')
    const claiming = claim()
    await pass(0)
    await rewrite(inner, id, ({ state }) => ({ state: { ...state, decision: recorded } }))
    recording.open()
    await pass(100)
    const { decision, confirmed } = await claiming
    expect(decision).toMatchObject({ status: 'rejected', note: 'first', via: 'poll' })
    expect(confirmed).toEqual(recorded)
  })

  it('reads details and context by the rules of the action, and parks what they refuse', async () => {
    const actions = {
      refund: {
        details: z.object({ amount: z.number().transform((amount) => amount * 100) }),
        context: z.object({ tenant: z.string() }),
      },
    }
    const good = coreBench({ actions })
    await good.register({ context: { tenant: 't1' } })
    good.api.approve(id)
    expect((await good.claim()).decision).toMatchObject({ details: { amount: 12_000 }, context: { tenant: 't1' } })

    const bad = coreBench({ actions })
    await bad.register({ context: { tenant: 't1' } })
    bad.api.approve(id, { modifiedDetails: { amount: 'all' } })
    expect(await bad.verify()).toMatchObject({ kind: 'edit-refused', reason: 'edit-ambiguous' })
    expect(await kept(bad.store, id)).toMatchObject({
      state: 'parked',
      parked: { reason: 'edit-ambiguous', note: '/orderId' },
    })

    const whole = coreBench({ actions })
    await whole.register({ context: { tenant: 't1' } })
    whole.api.approve(id, { modifiedDetails: { ...details, amount: 'all' } })
    expect(await whole.verify()).toMatchObject({ kind: 'edit-refused', reason: 'edit-invalid' })
    expect(await kept(whole.store, id)).toMatchObject({
      state: 'parked',
      parked: { reason: 'edit-invalid', note: '/amount' },
    })
  })

  it('reports callbacks that are refused, and one that contradicts the API', async () => {
    const { api, register, verify, events } = coreBench()
    await register()
    api.reject(id)
    await verify(callbackRequest('req_unknown'))
    await verify(callbackRequest(id, { headers: { 'user-agent': 'Stranger/1.0' } }))
    await verify()
    expect(events.filter(({ type }) => type === 'refused' || type === 'mismatch')).toEqual([
      { type: 'refused', reason: 'unknown-approval', approvalId: 'req_unknown' },
      { type: 'refused', reason: 'agent-refused', approvalId: null },
      { type: 'mismatch', approvalId: id, fields: expect.arrayContaining(['status']) },
    ])
  })

  it('takes an action without rules as it comes', async () => {
    const { api, register, claim } = coreBench({ actions: { other: { modifications: 'refuse' } } })
    await register()
    api.approve(id, { modifiedDetails: { ...details, amount: 80 } })
    expect((await claim()).decision).toMatchObject({ details: { amount: 80 }, changedPaths: ['/amount'] })
  })

  it.each<[string, string, (bench: ReturnType<typeof coreBench>) => unknown, Request?]>([
    ['another method', 'method-not-allowed', () => {}, callbackRequest(id, { method: 'GET' })],
    ['another agent', 'agent-refused', () => {}, callbackRequest(id, { headers: { 'user-agent': 'curl/8' } })],
    ['a body that is none', 'malformed', () => {}, callbackRequest(id, { body: '{' })],
    ['an unknown id', 'unknown-approval', () => {}, callbackRequest('req_2')],
    ['an undecided approval', 'undecided', ({ api }) => api.pend(id)],
    ['an API that fails', 'api-failed', ({ api }) => api.answer(id, { status: 500 })],
    ['an API that throttles', 'api-throttled', ({ api }) => api.answer(id, { status: 429 })],
    ['an API that refuses the key', 'api-key-refused', ({ api }) => api.answer(id, { status: 401 })],
    ['an approval that is in progress elsewhere', 'in-progress', ({ store }) => takeOver(store, id)],
    [
      'a completed approval',
      'completed',
      async ({ api, claim }) => {
        api.approve(id)
        await (await claim()).complete()
      },
    ],
    [
      'a parked approval',
      'parked',
      async ({ api, claim }) => {
        api.approve(id)
        await (await claim()).park('too-many-attempts')
      },
    ],
  ])('holds nothing after %s', async (_, kind, arrange, request) => {
    const bench = coreBench()
    await bench.register()
    await arrange(bench)
    const before = await kept(bench.store, id)
    const outcome = await bench.verify(request?.clone())
    expect(outcome.kind).toBe(kind)
    expect((await kept(bench.store, id))?.state).toBe(before?.state)
  })

  it('resolves with store-unavailable, and does not reject, where the store is down', async () => {
    const faulty = new FaultyStore()
    const { register, verify, events } = coreBench({ store: faulty.store })
    await register()
    faulty.fail()
    expect(await verify()).toMatchObject({ kind: 'store-unavailable' })
    expect(events.map(({ type }) => type)).toEqual(['store-failed'])
  })

  it('resolves with store-unavailable where the store never responds', async () => {
    const faulty = new FaultyStore()
    const { register, verify } = coreBench({ store: faulty.store })
    await register()
    faulty.hang()
    const outcome = verify()
    await pass(5_000)
    expect(await outcome).toMatchObject({ kind: 'store-unavailable' })
  })

  it('keeps its budget and its memory between callbacks with the same options', async () => {
    const { api, events, register, verify } = coreBench({ confirm: { requestsPerSecond: 1, minIntervalMs: 0 } })
    await register()
    api.answer(id, { body: { id, status: 'ESCALATED' } })
    expect((await verify()).kind).toBe('undecided')
    expect((await verify()).kind).toBe('over-budget')
    await pass(2_000)
    expect((await verify()).kind).toBe('undecided')
    expect(events.filter(({ type }) => type === 'unknown-status')).toHaveLength(1)
  })

  it('shares its budget among all options with the same store, with the limits of the first', async () => {
    const { api, options, register, verify } = coreBench({ confirm: { requestsPerSecond: 1, minIntervalMs: 0 } })
    await register()
    api.pend(id)
    expect((await verify()).kind).toBe('undecided')
    const others = { ...options, confirm: { requestsPerSecond: 50, minIntervalMs: 0 } }
    expect((await verifyAndResolve(callbackRequest(id), others)).kind).toBe('over-budget')
    expect((await verify()).kind).toBe('over-budget')
    expect(api.gets).toHaveLength(1)
  })

  it('keeps a pause, whatever options register() is called with', async () => {
    const { api, options, store, register, verify } = coreBench({ confirm: { minIntervalMs: 0 } })
    const { client } = options
    await register()
    api.answer(id, { status: 429 })
    expect((await verify()).kind).toBe('api-throttled')
    await registerWith('req_2', { action: 'refund', details }, { store, client })
    expect((await verify(callbackRequest('req_2'))).kind).toBe('api-throttled')
    expect(api.gets).toHaveLength(1)
  })

  it('takes its limits from the options of the first callback, and not from those of register()', async () => {
    const { api, options, store, verify } = coreBench({ confirm: { requestsPerSecond: 1, minIntervalMs: 0 } })
    const { client } = options
    await registerWith(id, { action: 'refund', details }, { store, client })
    api.pend(id)
    expect((await verify()).kind).toBe('undecided')
    expect((await verify()).kind).toBe('over-budget')
  })

  it('does not limit the number of bodies anew for each options object', async () => {
    const { options } = coreBench({ callbacks: { maxUnreadBodies: 1 } })
    const kinds: string[] = []
    const verifySlow = async (given: VerifyOptions) => {
      const request = new Request(callbackRequest(id), { body: new ReadableStream(), duplex: 'half' })
      kinds.push((await verifyAndResolve(request, given)).kind)
    }
    void verifySlow(options)
    await pass(0)
    void verifySlow({ ...options })
    await pass(0)
    expect(kinds).toEqual(['body-too-slow'])
  })

  it('checks an options object once', async () => {
    let read = 0
    const { options, verify } = coreBench()
    const counted = Object.defineProperty({ ...options }, 'confirm', { enumerable: true, get: () => void read++ })
    await verifyAndResolve(callbackRequest(id), counted)
    const once = read
    await verifyAndResolve(callbackRequest(id), counted)
    await registerWith(id, { action: 'refund', details }, counted)
    await verify()
    await verifyAndResolve(callbackRequest(id), counted)
    expect(read).toBe(once)
  })

  it('sends the GET with the key of the assistant that submitted the request', async () => {
    const api = new FakeApi()
    const client = createClient({
      apiKeys: { billing: 'cq_live_billing', support: 'cq_live_support' },
      dispatcher: api,
    })
    const { register, claim } = coreBench({ client })
    await register({ assistant: 'support' })
    api.approve(id)
    await claim()
    expect(api.keys).toEqual(['cq_live_support'])
  })

  it('parks an approval whose attempt was counted before, where it may run once only', async () => {
    const faulty = new FaultyStore()
    const { api, store, register, claim, verify } = coreBench({ store: faulty.store, guarantee: 'at-most-once' })
    await register()
    api.approve(id)
    await claim()
    faulty.fail('extend')
    await pass(30_000)
    expect(await verify()).toEqual({ kind: 'parked', approvalId: id, reason: 'attempt-unfinished' })
    expect(await kept(store, id)).toMatchObject({ state: 'parked', attempts: 1 })
  })
})

describe('a claim', () => {
  async function held(options: Partial<VerifyOptions> = {}) {
    const faulty = new FaultyStore()
    const bench = coreBench({ ...options, store: faulty.store })
    await bench.register()
    bench.api.approve(id)
    return { ...bench, faulty, first: await bench.claim() }
  }

  it('ends with the decision completed and its result kept, and a copy is completed', async () => {
    const { first, store, verify } = await held()
    expect(await first.complete({ refundId: 7 })).toBe('completed')
    expect(await kept(store, id)).toMatchObject({
      state: 'completed',
      outcome: 'approved',
      result: '{"refundId":7}',
    })
    expect((await verify()).kind).toBe('completed')
  })

  it('may be completed again, as after a lost response', async () => {
    const { first } = await held()
    expect([await first.complete(), await first.complete()]).toEqual(['completed', 'completed'])
  })

  it('renews itself for as long as the work takes', async () => {
    const { first, verify } = await held()
    for (let minute = 0; minute < 14; minute++) {
      await pass(60_000)
      expect((await verify()).kind).toBe('in-progress')
    }
    expect(first.signal.aborted).toBe(false)
    expect(await first.complete()).toBe('completed')
  })

  it('aborts its signal at runs.timeoutMs, and ends one lease later', async () => {
    const { first, verify } = await held({ runs: { timeoutMs: 60_000 } })
    await pass(59_999)
    expect(first.signal.aborted).toBe(false)
    await pass(10_001)
    expect(first.signal.aborted).toBe(true)
    expect((await verify()).kind).toBe('in-progress')
    // The last renewal is within a lease of the time-out, and holds for a lease.
    await pass(60_000)
    expect(await verify()).toMatchObject({ kind: 'ok', claim: { attempt: 2, fence: 2 } })
    expect(await first.complete()).toBe('lost')
  })

  it('may be extended by hand as well: for a whole lease from then', async () => {
    const { first, verify, store } = await held()
    await pass(5_000)
    expect(await first.extend()).toBe('extended')
    expect(await kept(store, id)).toMatchObject({ dueInMs: 30_000 })
    expect((await verify()).kind).toBe('in-progress')
  })

  it('renews nothing once it ended', async () => {
    const { first, faulty } = await held()
    await first.complete()
    faulty.calls.length = 0
    await pass(120_000)
    expect(faulty.calls).toEqual([])
    expect(first.signal.aborted).toBe(false)
  })

  it('whose lease ran out is taken over with a higher fence, without a second GET', async () => {
    const { api, first, faulty, claim } = await held()
    faulty.fail('extend')
    await pass(30_000)
    api.reject(id)
    const second = await claim()
    expect([first.fence, second.fence]).toEqual([1, 2])
    expect([first.attempt, second.attempt]).toEqual([1, 2])
    expect(second.idempotencyKey).toBe(first.idempotencyKey)
    expect(second.decision.status).toBe('approved')
    expect(api.gets).toHaveLength(1)
  })

  it('that was taken over writes nothing, and its result and signal say so', async () => {
    const { first, store } = await held()
    const { signal } = first
    await takeOver(store, id)
    expect(await first.complete()).toBe('lost')
    expect(await first.release()).toBe('lost')
    expect(await first.park('handler-failed')).toBe('lost')
    expect(signal.aborted).toBe(false)
    expect(await first.extend()).toBe('lost')
    expect(signal.aborted).toBe(true)
    expect(await kept(store, id)).toMatchObject({ state: 'claimed', fence: 2 })
  })

  it('that is lost has an aborted signal, also when it is read later', async () => {
    const { first, store } = await held()
    await takeOver(store, id)
    await first.extend()
    expect(first.signal.aborted).toBe(true)
    expect(first.signal).toBe(first.signal)
  })

  it('that is lost is reported once, however often it is extended', async () => {
    const { first, store, events } = await held()
    await takeOver(store, id)
    expect([await first.extend(), await first.extend()]).toEqual(['lost', 'lost'])
    expect(events.filter(({ type }) => type === 'lease-lost')).toHaveLength(1)
  })

  it('completed in a transaction gives its place back at once, and is forgotten by its next renewal', async () => {
    const { first, faulty, verify, api, options } = await held({ runs: { concurrency: 1 } })
    const { key, step, settle } = (first as unknown as Completable)[completion](null) // the types do not show it
    await settle()
    const write = step(await faulty.store.read(key))
    if (write !== null) await faulty.store.write(key, write.expected, write.entry, { keepMs: write.keepMs })
    await registerWith('req_2', { action: 'refund', details }, options)
    api.approve('req_2')
    expect(await verify(callbackRequest('req_2'))).toMatchObject({ kind: 'ok' })
    // Longer than runs.timeoutMs.
    await pass(1_000_000)
    expect(first.signal.aborted).toBe(false)
  })

  it.each([
    ['release', [5_000]],
    ['release', [null]],
    ['release', [{ waitMS: 5_000 }]],
    ['release', [{ waitMs: Number.NaN }]],
    ['release', [{ waitMs: Number.POSITIVE_INFINITY }]],
    ['release', [{ waitMs: '5000' }]],
    ['release', [{ giveAttemptBack: 'yes' }]],
    ['park', []],
    ['park', ['needs a look']],
    ['park', ['edit-invalid', '/amount']],
    ['park', ['edit-invalid', [5]]],
  ] as const)('refuses %s(%j), and is still held', async (method, args) => {
    const { first } = await held()
    const call: (...given: readonly unknown[]) => Promise<unknown> = first[method].bind(first) as never // to be wrong
    await expect(call(...args)).rejects.toMatchObject({ code: 'argument-invalid' })
    expect(await first.complete()).toBe('completed')
  })

  it('is kept where its result cannot be stored', async () => {
    const { first, store } = await held()
    await expect(first.complete('x'.repeat(16_384))).rejects.toMatchObject({ code: 'not-json' })
    expect(await kept(store, id)).toMatchObject({ state: 'claimed' })
    expect(await first.complete('x'.repeat(16_382))).toBe('completed')
  })

  it('is still valid when its lease ran out and no other took over', async () => {
    const { first, faulty } = await held()
    faulty.fail('extend')
    await pass(60_000)
    expect(first.signal.aborted).toBe(true)
    expect(await first.complete()).toBe('completed')
  })

  it('released comes again when its wait is over, by number of attempts where none is given', async () => {
    const { first, store, verify } = await held({ runs: { backoffMs: [2_000, 600_000] } })
    expect(await first.release()).toBe('released')
    expect(await kept(store, id)).toMatchObject({ state: 'pending', attempts: 1, dueInMs: 2_000 })
    await pass(1_999)
    expect((await verify()).kind).toBe('too-soon')
    await pass(1)
    const again = await verify()
    expect(again).toMatchObject({ kind: 'ok', claim: { attempt: 2 } })
    // Half way between the shortest and twice as long: `random` is 0.5.
    expect(again.kind === 'ok' && again.claim.backoffMs()).toBe(3_000)
  })

  it('released with its attempt given back is at its first again', async () => {
    const { first, store, claim } = await held()
    expect(await first.release({ waitMs: 0, giveAttemptBack: true })).toBe('released')
    expect(await kept(store, id)).toMatchObject({ state: 'pending', attempts: 0, dueInMs: 0 })
    expect(await claim()).toMatchObject({ attempt: 1, fence: 2 })
  })

  it('parked waits for a person, with the places that were wrong', async () => {
    const { first, store, verify } = await held()
    expect(await first.park('edit-invalid', ['/amount', '/to'])).toBe('parked')
    expect(await kept(store, id)).toMatchObject({
      state: 'parked',
      parked: { reason: 'edit-invalid', note: '/amount /to' },
    })
    expect((await verify()).kind).toBe('parked')
  })

  it('rejects where the store is down, and may be called again', async () => {
    const { first, faulty } = await held()
    faulty.fail()
    await expect(first.complete()).rejects.toThrow('the store is down')
    await expect(first.extend()).rejects.toThrow('the store is down')
    expect(first.signal.aborted).toBe(false)
    faulty.mend()
    expect(await first.complete()).toBe('completed')
  })
})

describe('toResponse', () => {
  it('of a verified decision is 200, swept or not', async () => {
    const { api, register, verify } = coreBench()
    await register()
    api.approve(id)
    const outcome = await verify()
    for (const swept of [true, false]) {
      const { status, body } = toResponse(outcome, { swept })
      expect([status, body]).toEqual([200, '{"result":"handled"}'])
    }
  })

  it('of another outcome is the response of a receiver', async () => {
    const { api, register, verify } = coreBench()
    await register()
    api.pend(id)
    const outcome = await verify()
    expect(toResponse(outcome, { swept: true }).status).toBe(202)
    expect(toResponse(outcome, { swept: false })).toMatchObject({ status: 409, headers: { 'retry-after': '2' } })
  })
})
