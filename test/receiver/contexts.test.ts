import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const tenant = new AsyncLocalStorage<string>()

/** A receiver whose handlers note the tenant that they run for. */
function noting(work: Promise<unknown> = Promise.resolve()) {
  const seen = new Map<string, string | undefined>()
  const aborted = new Map<string, string | undefined>()
  const made = bench({
    random: () => 0.5,
    polling: { firstMs: 1_000 },
    runs: { timeoutMs: 60_000 },
    onDecision: async ({ approvalId }, { signal }) => {
      seen.set(approvalId, tenant.getStore())
      signal.addEventListener('abort', () => aborted.set(approvalId, tenant.getStore()))
      await work
    },
  })
  return { ...made, seen, aborted }
}

describe('the asynchronous context of a handler', () => {
  it('is that of the call that started it', async () => {
    const { receiver, api, seen } = noting()
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    await tenant.run('a', () => receiver.fetch(callbackRequest('req_0')))
    await tenant.run('b', () => receiver.resolve('req_1'))
    expect([...seen]).toEqual([
      ['req_0', 'a'],
      ['req_1', 'b'],
    ])
  })

  it('belongs to no caller where the sweep starts it: not to start(), not to the request', async () => {
    const { receiver, api, seen } = noting()
    await tenant.run('a', () => receiver.start())
    await tenant.run('b', () => receiver.track('req_1', refund))
    api.approve('req_1')
    await pass(5_000)
    expect([...seen]).toEqual([['req_1', undefined]])
    await receiver.close()
  })

  it('belongs to no caller where a retry wakes the sweep', async () => {
    let failing = true
    const seen: (string | undefined)[] = []
    const { receiver, api } = bench({
      runs: { maxAttempts: 1 },
      onDecision: () => {
        seen.push(tenant.getStore())
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    failing = false
    await tenant.run('b', () => receiver.retry('req_1'))
    await pass(5_000)
    expect(seen).toEqual([undefined, undefined])
    await receiver.close()
  })

  it('is no caller’s where a wait polls, for itself or beside others', async () => {
    const { receiver, api, seen } = noting()
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    await pass(5_000)
    const waits = ['a', 'b'].map((name, at) => tenant.run(name, () => receiver.wait(`req_${at}`)))
    await pass(0)
    await Promise.all(waits)
    expect([...seen]).toEqual([
      ['req_0', undefined],
      ['req_1', undefined],
    ])
  })

  it('is its own for listeners of the abort, whatever caused it', async () => {
    const work = gate()
    const { receiver, api, aborted } = noting(work.promise)
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    void tenant.run('a', () => receiver.fetch(callbackRequest('req_0')))
    void tenant.run('b', () => receiver.fetch(callbackRequest('req_1')))
    await pass(0)
    const closed = tenant.run('c', () => receiver.close({ drainMs: 0 }))
    await pass(1_000)
    await closed
    expect([...aborted]).toEqual([
      ['req_0', 'a'],
      ['req_1', 'b'],
    ])
    work.open()
    await pass(0)
  })

  it('is its own for the time-out as well', async () => {
    const work = gate()
    const { receiver, api, aborted } = noting(work.promise)
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void tenant.run('a', () => receiver.fetch(callbackRequest('req_1')))
    await pass(60_000)
    expect([...aborted]).toEqual([['req_1', 'a']])
    work.open()
    await pass(0)
  })

  it('is not that of a callback that waits for the same approval', async () => {
    const work = gate()
    const { receiver, api, seen } = noting(work.promise)
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void tenant.run('a', () => receiver.fetch(callbackRequest('req_1')))
    await pass(0)
    await tenant.run('b', () => receiver.fetch(callbackRequest('req_1')))
    expect([...seen]).toEqual([['req_1', 'a']])
    work.open()
    await pass(0)
  })
})
