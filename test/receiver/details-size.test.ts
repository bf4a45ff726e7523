import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { bench } from '../support/receiver.js'
import { failure, submitBench } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Details of this many bytes as JSON. */
function details(bytes: number): object {
  return { text: 'x'.repeat(bytes - JSON.stringify({ text: '' }).length) }
}

describe('details and context together', () => {
  it('may be 256 KiB as JSON, and not a byte more', async () => {
    const { receiver, api } = submitBench()
    const context = null
    const most = 262_144 - JSON.stringify(context).length
    await receiver.submit({ action: 'a', summary: 's', details: details(most) }, { context })
    const error = await failure(receiver.submit({ action: 'a', summary: 's', details: details(most + 1) }, { context }))
    expect(error.code).toBe('details-too-large')
    expect(error.message).toContain('details and context are 262145 bytes of JSON, 262144 are allowed')
    expect(api.posts).toHaveLength(1)
  })

  it('count together, in bytes and not in characters', async () => {
    const { receiver } = bench({ maxDetailsBytes: 100 })
    const half = { text: 'é'.repeat(20) }
    expect(await receiver.track('req_1', { action: 'a', details: half })).toBe(true)
    const error = await failure(receiver.track('req_2', { action: 'a', details: half, context: half }))
    expect(error.code).toBe('details-too-large')
    expect(error.message).not.toContain('é')
  })

  it('may be more with maxDetailsBytes', async () => {
    const { receiver } = bench({ maxDetailsBytes: 1_000_000 })
    expect(await receiver.track('req_1', { action: 'a', details: details(900_000) })).toBe(true)
  })
})
