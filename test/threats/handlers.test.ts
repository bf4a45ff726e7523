import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { snapshotOf } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('what a handler throws', () => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const circular: { self?: unknown } = {}
  circular.self = circular
  const spiteful = {
    get message() {
      throw new Error('spite')
    },
    toString() {
      throw new Error('spite')
    },
    toJSON() {
      throw new Error('spite')
    },
  }

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a symbol', Symbol('no')],
    ['a bigint', 1n],
    ['a function', () => {}],
    ['a circle', circular],
    ['what cannot be read', spiteful],
    ['what cannot be touched', revoked.proxy],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    ['the outcome of a success', { kind: 'handled', approvalId: 'req_1', status: 'approved' }],
  ])('T75: as %s is one failed attempt, shown in JSON, and harms neither log nor process', async (_, thrown) => {
    for (const [sweep, answered] of [
      ['elsewhere', 202],
      ['off', 500],
    ] as const) {
      for (const fail of [() => Promise.reject(thrown), raise]) {
        const lines: string[] = []
        const made = bench({
          sweep,
          onDecision: () => fail(thrown),
          onEvent: (event) => lines.push(JSON.stringify(event)),
        })
        await made.receiver.track('req_1', refund)
        made.api.approve('req_1')
        const answer = await made.receiver.fetch(callbackRequest('req_1'))
        expect([answer.status, JSON.parse(await answer.text())]).toMatchObject([answered, {}])
        expect(lines.filter((line) => line.includes('run-failed'))).toHaveLength(1)
        expect(await made.receiver.stats()).toMatchObject({ open: 1, working: 0, inFlight: 0 })
      }
    }
  })
})

function raise(thrown: unknown): never {
  throw thrown
}

describe('a handler that calls the library', () => {
  it('T77: for its own approval gets a result from every method, and ends', async () => {
    const asked: unknown[] = []
    const store = memoryStore()
    const { receiver, api, runs, eventTypes } = bench({
      store,
      sweep: 'elsewhere',
      onDecision: async ({ approvalId }, { signal }) => {
        asked.push(await receiver.resolve(approvalId))
        asked.push(await receiver.track(approvalId, refund))
        asked.push(await receiver.cancel(approvalId))
        asked.push(await receiver.retry(approvalId))
        asked.push(await receiver.reconcile())
        asked.push((await receiver.fetch(callbackRequest(approvalId))).status)
        asked.push(await receiver.wait(approvalId, { timeoutMs: 1_000 }).catch(({ code }) => code))
        asked.push(await receiver.stats())
        await receiver.close({ drainMs: 1_000 })
        asked.push(signal.aborted)
        asked.push(await receiver.submit({ ...refund, summary: 'again' }).catch(({ code }) => code))
        return 'done'
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(20_000)
    expect((await answer).status).toBe(200)
    expect(asked).toEqual([
      { kind: 'in-progress', approvalId: 'req_1', retryAfterMs: expect.any(Number) },
      false,
      'in-progress',
      'not-parked',
      expect.objectContaining({ taken: 0 }),
      202,
      'wait-timeout',
      expect.objectContaining({ open: 1, working: 1 }),
      true,
      'receiver-closed',
    ])
    expect(runs).toHaveLength(1)
    expect(eventTypes().at(-1)).toBe('completed')
    expect(await snapshotOf(store, 'req_1')).toMatchObject({ state: 'completed', result: '"done"' })
  })

  it('T77: and waits for its own end is given up at its time-out, and parked in the end', async () => {
    const { receiver, api, runs, events } = bench({
      runs: { timeoutMs: 60_000, maxAttempts: 2 },
      onDecision: ({ approvalId }) => receiver.wait(approvalId),
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await pass(20_000 + 2 * 90_000)
    expect(runs).toHaveLength(2)
    expect(eventsOf(events, 'run-failed').map(({ timedOut }) => timedOut)).toEqual([true, true])
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1, working: 0 })
    await receiver.close()
  })
})

describe('work that continues after the response', () => {
  it('T80: fails in every way, and no rejection is unhandled', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    process.on('uncaughtException', note)
    const late = gate()
    const faulty = new FaultyStore()
    const told = new Set<string>()
    const { receiver, api } = bench({
      store: faulty.store,
      sweep: 'elsewhere',
      runs: { timeoutMs: 20_000, leaseMs: 9_000 },
      onEvent: ({ type }) => {
        told.add(type)
        return Promise.reject(new Error('the listener'))
      },
      onDecision: () => late.promise, // rejects long after it was given up
    })
    for (const id of ['req_1', 'req_2', 'req_3', 'req_4']) await receiver.track(id, refund)
    api.approve('req_1')
    for (const id of ['req_2', 'req_3']) api.answer(id, () => 'hang')
    const waitUntil = (): Promise<never> => Promise.reject(new Error('the host'))
    const body = new Readable({ read() {} })
    const handled = [
      receiver.fetch(callbackRequest('req_1')),
      receiver.fetch(callbackRequest('req_1'), { waitUntil }),
      receiver.fetch(callbackRequest('req_2')),
      receiver.handle({ method: 'POST', url: '/', header, body: { stream: body } }),
      receiver.wait('req_1', { timeoutMs: 30_000 }).catch(({ code }) => code),
    ]
    await pass(6_000) // the API was given up, and the body is too slow
    body.destroy(new Error('reset after the answer'))
    api.resume()
    faulty.hang() // every renewal, release and completion from now on
    handled.push(
      receiver.fetch(callbackRequest('req_3')),
      receiver.reconcile().catch(({ code }) => code),
    )
    await pass(40_000)
    faulty.fail()
    late.fail(new Error('the handler, too late'))
    handled.push(receiver.fetch(callbackRequest('req_4')), receiver.resolve('req_4'))
    await pass(60_000)
    await receiver.close({ drainMs: 0 })
    expect(await Promise.all(handled)).toHaveLength(9)
    vi.useRealTimers()
    await new Promise((resolve) => setTimeout(resolve, 0))
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
    expect(unhandled).toEqual([])
    const story = [
      'confirmed',
      'run-started',
      'refused',
      'released',
      'store-failed',
      'lease-lost',
      'run-failed',
      'wait-until-failed',
    ]
    expect([...told].toSorted()).toEqual(story.toSorted())
  })
})

function header(name: string): readonly string[] {
  return name === 'user-agent' ? ['Cheqpoint-Callback/1.0'] : []
}
