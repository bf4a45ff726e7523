import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callbackRequest } from './support/callback.js'
import type { FakeApi } from './support/fake-api.js'
import { bench, refund } from './support/receiver.js'
import { eventsOf } from './support/runs-events.js'
import { FaultyStore } from './support/runs-store.js'
import { gate, pass } from './support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a callback that joins a look under way', () => {
  // Ticks of the event loop's smallest kind: each is a moment at which the callback may join.
  it.each(Array.from({ length: 40 }, (_each, ticks) => ticks))(
    'is owed a look within the gap, when it joins %i ticks after the API answered that nothing is decided',
    async (ticks) => {
      const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 600_000 } })
      await receiver.start()
      await receiver.track('req_1', refund)
      api.answer('req_1', () => 'hang')
      const look = receiver.resolve('req_1')
      await pass(100)
      api.pend('req_1')
      api.resume()
      for (let tick = 0; tick < ticks; tick++) await null
      api.approve('req_1')
      const answer = receiver.fetch(callbackRequest('req_1'))
      await look
      await answer
      await pass(3_500)
      expect(runs).toHaveLength(1)
      await receiver.close()
    },
  )
})
