import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createReceiver, memoryStore } from '../../src/index.js'
import { FakeApi } from '../support/fake-api.js'
import { refund } from '../support/receiver.js'
import { approved, ids, timeGets, withinBucket } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'
import { seededRandom } from '../support/seeded-random.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const many = ids(10_000)

/** A receiver with two assistants, the first of which has 10,000 overdue approvals. */
async function withBacklog(answer: (id: string) => ReturnType<typeof approved>) {
  const api = new FakeApi()
  const handled = new Map<string, number>()
  const receiver = createReceiver({
    apiKeys: { busy: 'cq_live_busy', quiet: 'cq_live_quiet' },
    dispatcher: api,
    store: memoryStore(),
    random: seededRandom(1),
    log: false,
    polling: { firstMs: 15_000 },
    onDecision: ({ approvalId }) => void handled.set(approvalId, Date.now()),
  })
  for (const id of many) await receiver.track(id, { ...refund, assistant: 'busy' })
  await pass(60_000)
  const times = timeGets(api, many, answer)
  await receiver.start()
  return { api, receiver, handled, times }
}

describe('a backlog of 10,000 overdue approvals of one assistant', () => {
  it.each([
    ['is polled at its own pace', approved],
    ['is throttled', () => ({ status: 429, headers: { 'retry-after': '600' }, body: {} })],
  ] as const)('that %s delays the approvals of another by less than 5 s', async (_words, answer) => {
    const { api, receiver, handled } = await withBacklog(answer)
    for (let turn = 0; turn < 5; turn++) {
      const id = `quiet_${turn}`
      api.approve(id)
      const due = Date.now() + 18_000
      await receiver.track(id, { ...refund, assistant: 'quiet' })
      await pass(25_000)
      // 15 s and a fifth after it was registered, and a second of the sweep.
      expect((handled.get(id) ?? Number.POSITIVE_INFINITY) - due, id).toBeLessThan(5_000)
    }
    const closed = receiver.close()
    await pass(11_000)
    await closed
  })

  it('pays for each poll once, and no faster than its budget: none of its turns is lost', async () => {
    const { receiver, handled, times } = await withBacklog(approved)
    await pass(100_000)
    expect(withinBucket(times, 10)).toBe(true)
    // A burst at first, then ten a second.
    expect(times.length).toBeGreaterThan(900)
    expect(handled.size).toBe(times.length)
    const closed = receiver.close()
    await pass(11_000)
    await closed
  })
})
