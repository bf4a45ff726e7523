import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fromRequest } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { type Gate, gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

async function slow(waitUntil: (work: Promise<unknown>) => unknown, sweep: 'off' | 'elsewhere' = 'off') {
  const work: Gate = gate()
  const made = bench({ sweep, onDecision: () => work.promise })
  await made.receiver.track('req_1', refund)
  made.api.approve('req_1')
  // A host may return what it likes, whatever the type says.
  const options = { waitUntil: waitUntil as (given: Promise<unknown>) => void }
  const answer = made.receiver.fetch(callbackRequest('req_1'), options)
  return { ...made, work, answer }
}

const throwing = (): never => {
  throw new Error('not on this plan')
}
const rejecting = (): Promise<never> => Promise.reject(new Error('not on this plan'))

describe('options of handle() that are null', () => {
  it('count as none', async () => {
    const { receiver, api, events } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    // What the types rule out, plain JavaScript may send.
    const none = null as unknown as undefined
    expect((await receiver.handle(fromRequest(callbackRequest('req_1')), none)).status).toBe(200)
    expect(eventsOf(events, 'store-failed')).toEqual([])
  })
})

describe('waitUntil', () => {
  it('lets a slow handler continue after the response, where nothing sweeps', async () => {
    const kept: Promise<unknown>[] = []
    const { answer, work, runs } = await slow((given) => kept.push(given))
    await pass(8_000)
    expect((await answer).status).toBe(202)
    work.open()
    expect(kept).toHaveLength(1)
    expect(await kept[0]).toMatchObject({ kind: 'handled' })
    expect(runs).toHaveLength(1)
  })

  it.each([
    ['throws', throwing],
    ['rejects', rejecting],
  ])('that %s counts as absent: the response waits for the handler', async (_words, waitUntil) => {
    const { answer, work, events } = await slow(waitUntil)
    await pass(60_000)
    let isAnswered = false
    void answer.then(() => {
      isAnswered = true
    })
    await pass(0)
    expect(isAnswered).toBe(false)
    work.open()
    expect((await answer).status).toBe(200)
    expect(eventsOf(events, 'wait-until-failed')).toMatchObject([{ error: { message: 'not on this plan' } }])
  })

  it.each([
    ['throws', throwing],
    ['rejects', rejecting],
  ])('that %s holds nothing up where something sweeps', async (_words, waitUntil) => {
    const { answer, work, events } = await slow(waitUntil, 'elsewhere')
    await pass(8_000)
    expect((await answer).status).toBe(202)
    expect(eventsOf(events, 'wait-until-failed')).toHaveLength(1)
    work.open()
    await pass(0)
  })
})
