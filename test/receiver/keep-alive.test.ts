import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { overlayStore } from '../support/overlay-store.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { gate, pass } from '../support/runs-time.js'
import { decidedPost, failure, refund as submission, submitBench } from '../support/submit-bench.js'

/*
 * Whether a receiver keeps its process alive: whether a timer that is set is one that the process waits for.
 */

let timers: NodeJS.Timeout[] = []

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  timers = []
  const original = globalThis.setTimeout
  vi.stubGlobal('setTimeout', (...args: Parameters<typeof setTimeout>) => {
    const timer = original(...args)
    timers.push(timer)
    return timer
  })
  const clear = globalThis.clearTimeout
  vi.stubGlobal('clearTimeout', (timer: NodeJS.Timeout | undefined) => {
    timers = timers.filter((each) => each !== timer)
    clear(timer)
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** The sweep rests a second at the longest: after more than that its latest timer tells. */
async function keepsAlive(): Promise<boolean> {
  timers = []
  await pass(1_500)
  return timers.at(-1)?.hasRef() === true
}

async function started(options?: Parameters<Bench['receiver']['start']>[0]): Promise<Bench> {
  const made = bench({ polling: { firstMs: 600_000 } })
  await made.receiver.start(options)
  return made
}

describe('a receiver that sweeps', () => {
  it('keeps the process alive while something is open, and no longer', async () => {
    const { receiver, api } = await started()
    expect(await keepsAlive()).toBe(false)
    await receiver.track('req_1', refund)
    expect(await keepsAlive()).toBe(true)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(await keepsAlive()).toBe(false)
    await receiver.close()
  })

  it('keeps it alive from the moment at which something is registered', async () => {
    const { receiver } = await started()
    await pass(100)
    await receiver.track('req_1', refund)
    expect(timers.some((timer) => timer.hasRef())).toBe(true)
    await receiver.close()
  })

  it('keeps it alive for what is registered while it waits for the due keys', async () => {
    const inner = memoryStore()
    const reply = gate()
    const store = overlayStore(inner, {
      async takeDue(limit, hideMs) {
        const taken = await inner.takeDue(limit, hideMs)
        await reply.promise
        return taken
      },
    })
    const { receiver } = bench({ store, polling: { firstMs: 600_000 } })
    await receiver.start()
    await receiver.track('req_1', refund)
    reply.open()
    await pass(1)
    expect(timers.some((timer) => timer.hasRef())).toBe(true)
    await receiver.close()
  })

  it('keeps it alive for the next attempt of a handler that failed within submit()', async () => {
    const { receiver, api } = submitBench({
      sweep: 'here',
      onDecision() {
        throw new Error('not yet')
      },
    })
    api.onPost = (_, id) => decidedPost(id, 'approved')
    await receiver.start()
    await pass(100)
    expect(await receiver.submit(submission)).toMatchObject({ status: 'approved', result: null })
    expect(timers.some((timer) => timer.hasRef())).toBe(true)
    await receiver.close()
  })

  it('keeps it alive for a submission whose response was lost', async () => {
    const { receiver, api } = submitBench({ sweep: 'here' })
    api.onPost = () => ({ status: 500, body: {} })
    await receiver.start()
    await pass(100)
    expect(await failure(receiver.submit(submission))).toMatchObject({ code: 'submission-unknown' })
    expect(timers.some((timer) => timer.hasRef())).toBe(true)
    await receiver.close()
  })

  it('never does with unref', async () => {
    const { receiver } = await started({ unref: true })
    await receiver.track('req_1', refund)
    expect(timers.some((timer) => timer.hasRef())).toBe(false)
    expect(await keepsAlive()).toBe(false)
    await receiver.close()
  })

  it('does not after close()', async () => {
    const { receiver } = await started()
    await receiver.track('req_1', refund)
    await receiver.close()
    timers = []
    await pass(5_000)
    expect(timers).toEqual([])
  })
})
