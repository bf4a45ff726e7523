import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, createReceiver, memoryStore, type ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'
import { refund } from '../support/receiver.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function logged(options: Partial<ReceiverOptions> = {}) {
  const api = new FakeApi()
  const lines: string[] = []
  const receiver = createReceiver({
    apiKey: 'cq_live_CANARY',
    dispatcher: api,
    store: memoryStore(),
    log: { error: (text) => lines.push(text) },
    onDecision() {
      throw new Error('ledger is down')
    },
    ...options,
  })
  return { api, lines, receiver }
}

describe('the log', () => {
  it('has one line for a failed run, with the error', async () => {
    const { api, lines, receiver } = logged()
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(lines).toEqual([
      'cheqpoint-callback: the handler of process_refund failed for req_1, attempt 1: Error: ledger is down',
    ])
    await receiver.close()
  })

  it.each<readonly [string, Partial<ReceiverOptions>, (bench: ReturnType<typeof logged>) => Promise<unknown>, RegExp]>([
    [
      'a parked approval',
      { guarantee: 'at-most-once' },
      async ({ receiver }) => receiver.resolve('req_1'),
      /req_1 \(process_refund\) is parked: handler-failed/,
    ],
    [
      'a refused key',
      {},
      async ({ api, receiver }) => {
        api.answer('req_1', { status: 401 })
        await receiver.resolve('req_1')
      },
      /Cheqpoint refused the key/,
    ],
    [
      'a result that is not kept',
      { onDecision: () => ({ receipt: Promise.resolve('re_1') }) },
      async ({ receiver }) => receiver.resolve('req_1'),
      /result of process_refund for req_1 is not kept: return JSON/,
    ],
    [
      'a receiver that does not sweep',
      {},
      async ({ receiver }) => receiver.track('req_2', refund),
      /leave sweep at 'here' and call receiver\.start\(\)/,
    ],
    [
      'a body that something else has read',
      {},
      async ({ receiver }) => {
        const request = callbackRequest('req_1')
        await request.text()
        await receiver.fetch(request)
      },
      /body of a callback was read before/,
    ],
  ])('has a line for %s', async (_words, options, act, expected) => {
    const bench = logged(options)
    if (!expected.source.includes('start')) await bench.receiver.start()
    await bench.receiver.track('req_1', refund)
    bench.api.approve('req_1')
    await act(bench)
    expect(bench.lines.filter((line) => expected.test(line))).toHaveLength(1)
    await bench.receiver.close()
  })

  it('has a line for a store that fails', async () => {
    const faulty = new FaultyStore()
    const { lines, receiver } = logged({ store: faulty.store })
    await receiver.start()
    faulty.fail()
    await receiver.fetch(callbackRequest('req_1'))
    expect(lines.at(-1)).toMatch(/the store failed \(\w+\): CheqpointError: the store is down/)
    await receiver.close()
  })

  it('has at most one line of a kind in 10 s, and counts the rest in the next', async () => {
    const { api, lines, receiver } = logged({ sweep: 'off' })
    for (let nth = 0; nth < 5; nth++) {
      await receiver.track(`req_${nth}`, refund)
      api.approve(`req_${nth}`)
    }
    const failed = (): readonly string[] => lines.filter((line) => line.includes('failed'))
    for (let nth = 0; nth < 4; nth++) await receiver.resolve(`req_${nth}`)
    await pass(9_999)
    expect(failed()).toHaveLength(1)
    await pass(1)
    await receiver.resolve('req_4')
    expect(failed()).toHaveLength(2)
    expect(failed()[1]).toContain('(and 3 more since the last line)')
  })

  it('never has a key, details or a payload', async () => {
    const faulty = new FaultyStore()
    const { api, lines, receiver } = logged({ store: faulty.store, guarantee: 'at-most-once' })
    await receiver.track('req_1', { action: 'pay', details: { card: '4242' }, context: { chat: 'c-7771' } })
    api.approve('req_1', { modifiedDetails: { card: '4343' }, decisionNote: 'private' })
    await receiver.fetch(callbackRequest('req_1'))
    faulty.fail()
    await receiver.fetch(callbackRequest('req_1'))
    expect(lines.length).toBeGreaterThan(1)
    expect(lines.join('\n')).not.toMatch(/CANARY|4242|4343|7771|private/)
  })

  it('has one line for each event, whatever the text of an error', async () => {
    const { api, lines, receiver } = logged({
      onDecision: () => Promise.reject(new Error('two\nlines\u001b[31m and more')),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(lines.join('')).not.toMatch(/[\n\u001b]/)
  })

  it('is the console without onEvent, and nothing with it', async () => {
    const spy = vi.spyOn(console, 'error').mockImplementation(() => {})
    const events: CheqpointEvent[] = []
    for (const options of [
      { log: undefined },
      { log: undefined, onEvent: (event: CheqpointEvent) => events.push(event) },
    ]) {
      const { receiver } = logged(options)
      await receiver.track('req_1', refund)
    }
    expect(spy).toHaveBeenCalledTimes(1)
    expect(events.map(({ type }) => type)).toEqual(['not-sweeping'])
  })

  it('may be off, and may be on beside a listener', async () => {
    const spy = vi.spyOn(console, 'error').mockImplementation(() => {})
    await logged({ log: false }).receiver.track('req_1', refund)
    expect(spy).not.toHaveBeenCalled()
    const { lines, receiver } = logged({ onEvent() {} })
    await receiver.track('req_1', refund)
    expect(lines).toHaveLength(1)
  })

  it('harms nothing where it throws', async () => {
    const error = (): never => {
      throw new Error('disk full')
    }
    const { api, receiver } = logged({ log: { error }, onDecision() {} })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
  })
  it('harms nothing where it is asynchronous and fails', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    const { receiver } = logged({ log: { error: () => Promise.reject(new Error('the log service is down')) } })
    await receiver.track('req_1', refund)
    // A rejection is reported once the microtasks have run.
    vi.useRealTimers()
    await turn()
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
})
