import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { action, memoryStore, type ReceiverOptions, type StandardSchema } from '../../src/index.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

type Validate = StandardSchema['~standard']['validate']

function schema(validate: Validate): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

/** A receiver whose schema fails this many times, and the handlers' runs. */
function failing(times: number, fail: () => never | Promise<never>, options: Partial<ReceiverOptions> = {}) {
  let left = times
  const seen: unknown[] = []
  const store = memoryStore()
  const details = schema((value) => (left-- > 0 ? fail() : { value }))
  const made = bench({
    store,
    random: () => 0,
    actions: { process_refund: action({ details, onDecision: (_decision, run) => void seen.push(run.attempt) }) },
    ...options,
  })
  return { ...made, store, seen }
}

const broken = new Error('the rate service is down')

describe.each<readonly [string, () => never | Promise<never>]>([
  [
    'throws',
    () => {
      throw broken
    },
  ],
  ['rejects', () => Promise.reject(broken)],
])('a schema that %s', (_words, fail) => {
  it('is a failed attempt, and the decision runs after its back-off', async () => {
    const { receiver, api, events, store, seen } = failing(1, fail)
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handler-failed', retryAfterMs: 1_000 })
    expect(eventsOf(events, 'run-failed')).toMatchObject([{ attempt: 1, timedOut: false, error: broken }])
    expect(eventsOf(events, 'run-started')).toEqual([])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', attempts: 1, dueInMs: 1_000 })
    await receiver.start()
    await pass(3_000)
    expect(seen).toEqual([2])
    expect(api.gets).toHaveLength(1)
    await receiver.close()
  })

  it('is parked after maxAttempts, and not before', async () => {
    const { receiver, api, events, seen } = failing(9, fail, { runs: { maxAttempts: 2 } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'parked')).toEqual([])
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'parked')).toMatchObject([{ reason: 'too-many-attempts' }])
    expect(seen).toEqual([])
  })

  it('does not park an at-most-once decision, whose handler did not start', async () => {
    const { receiver, api, events, seen } = failing(3, fail, { guarantee: 'at-most-once' })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handler-failed' })
    }
    expect(eventsOf(events, 'parked')).toEqual([])
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(seen).toEqual([1])
  })
})

describe('a schema that refuses', () => {
  it('parks at once, without another attempt', async () => {
    const details = schema(() => ({ issues: [{ message: 'no', path: ['amount'] }] }))
    const { receiver, api, events } = bench({ actions: { process_refund: { details, onDecision() {} } } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toEqual({ kind: 'parked', approvalId: 'req_1', reason: 'details-invalid' })
    expect(eventsOf(events, 'parked')).toMatchObject([{ reason: 'details-invalid', paths: ['/amount'] }])
  })
})

describe('a schema that writes into what it is given', () => {
  it('changes neither what was submitted nor the input of another attempt', async () => {
    const seen: unknown[] = []
    const details = schema((value) => {
      seen.push(structuredClone(value))
      Object.assign(Object(value), { amount: 1, added: true })
      return { value }
    })
    let failures = 1
    const originals: unknown[] = []
    const { receiver, api } = bench({
      actions: {
        process_refund: action({
          details,
          onDecision(decision) {
            originals.push(decision.originalDetails)
            if (failures-- > 0) throw new Error('once more')
          },
        }),
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await receiver.resolve('req_1')
    expect(seen).toEqual([refund.details, refund.details])
    expect(originals).toEqual([refund.details, refund.details])
  })
})

describe('a schema of zod whose refinement rejects', () => {
  it('is a failed attempt as well, and ends no process', async () => {
    const details = z.object({ amount: z.number() }).refine(async () => Promise.reject(broken))
    const { receiver, api, events } = bench({ actions: { process_refund: { details, onDecision() {} } } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handler-failed' })
    expect(eventsOf(events, 'run-failed')).toHaveLength(1)
  })
})
