import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, guardListener } from '../../../src/model/events.js'
import { callbackRequest } from '../../support/callback.js'
import { bench, refund } from '../../support/receiver.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const duplicate: CheqpointEvent = { type: 'duplicate', approvalId: 'req_1' }

describe('a listener', () => {
  it('is called at once, with the event', () => {
    const listener = vi.fn()
    guardListener(listener)(duplicate)
    expect(listener).toHaveBeenCalledExactlyOnceWith(duplicate)
  })

  it('may be absent', () => {
    expect(() => guardListener(undefined)(duplicate)).not.toThrow()
  })

  it('that throws has no effect', () => {
    const emit = guardListener(() => {
      throw new Error('broken listener')
    })
    expect(() => emit(duplicate)).not.toThrow()
  })

  it('that rejects leaves no unhandled rejection', async () => {
    vi.useRealTimers()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    guardListener(async () => {
      throw new Error('broken listener')
    })(duplicate)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('that rejects with a promise of another realm leaves none either', async () => {
    vi.useRealTimers()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    guardListener(runInNewContext('async () => { throw new Error("broken listener") }'))(duplicate)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('can read the error of an event, and a copy as JSON shows its message and stack', () => {
    const error = new Error('card 4242')
    const seen: CheqpointEvent[] = []
    guardListener((event) => seen.push(event))({ type: 'store-failed', operation: 'claim', error })
    const [event] = seen
    expect(event !== undefined && 'error' in event && event.error).toBe(error)
    expect(JSON.parse(JSON.stringify(event))).toEqual({
      type: 'store-failed',
      operation: 'claim',
      error: { name: 'Error', message: 'card 4242', stack: error.stack },
    })
  })
})

describe('a receiver with a broken listener', () => {
  it.each<[string, () => unknown]>([
    [
      'that throws',
      () => {
        throw new Error('broken listener')
      },
    ],
    ['that rejects', () => Promise.reject(new Error('broken listener'))],
  ])('%s handles decisions as ever', async (_, onEvent) => {
    const { receiver, api, runs } = bench({ sweep: 'elsewhere', onEvent })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect((await receiver.fetch(callbackRequest('unknown'))).status).toBe(404)
    expect(runs).toHaveLength(1)
  })
})

describe('the events of a decision', () => {
  it('come in order, from the confirmation to the end', async () => {
    const { receiver, api, events } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    const [approvalId, action, via] = ['req_1', 'process_refund', 'callback']
    expect(events).toEqual([
      { type: 'confirmed', approvalId, action, status: 'approved', via, decidedAfterMs: 0 },
      { type: 'run-started', approvalId, action, attempt: 1, fence: 1, via },
      { type: 'run-succeeded', approvalId, action, attempt: 1, durationMs: 0 },
      { type: 'completed', approvalId, action, status: 'approved', via, handledAfterMs: 3_600_000 },
    ])
  })

  it('say how long the decision took, and how long after it the handler was done', async () => {
    const { receiver, api, events } = bench({
      sweep: 'elsewhere',
      onDecision: () => new Promise((resolve) => setTimeout(resolve, 250)),
    })
    await receiver.track('req_1', refund)
    await vi.advanceTimersByTimeAsync(90_000)
    api.approve('req_1', { decidedAt: '2026-11-20T10:01:00.000Z' })
    const answer = receiver.fetch(callbackRequest('req_1'))
    await vi.advanceTimersByTimeAsync(250)
    await answer
    expect(events[0]).toMatchObject({ type: 'confirmed', decidedAfterMs: 60_000 })
    expect(events.at(-1)).toMatchObject({ type: 'completed', handledAfterMs: 30_250 })
  })

  it('do not guess how long it took where the API gives no date', async () => {
    const { receiver, api, events } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    api.approve('req_1', { decidedAt: 'a while ago' })
    await receiver.resolve('req_1')
    expect(events[0]).toMatchObject({ type: 'confirmed', decidedAfterMs: null })
    expect(events.at(-1)).toMatchObject({ type: 'completed', handledAfterMs: null })
  })

  it('say how long a run took, and what it threw', async () => {
    const error = new Error('card 4242')
    const { receiver, api, events } = bench({
      sweep: 'elsewhere',
      onDecision: async () => {
        await new Promise((resolve) => setTimeout(resolve, 250))
        throw error
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await vi.advanceTimersByTimeAsync(250)
    await answer
    const failed = events.find(({ type }) => type === 'run-failed')
    expect(failed).toMatchObject({ attempt: 1, durationMs: 250, timedOut: false, error })
    expect(JSON.stringify(failed)).toContain('card 4242')
  })

  it('name an approval that was refused only where its id has the form of one', async () => {
    const { receiver, events } = bench({ sweep: 'elsewhere' })
    for (const approvalId of ['req_2', '../req_2', 'req\n2', '\u001b[31m'])
      await receiver.fetch(callbackRequest('', { body: { approvalId } }))
    expect(events).toEqual([
      { type: 'refused', reason: 'unknown-approval', approvalId: 'req_2' },
      ...['../req_2', 'req\n2', '\u001b[31m'].map(() => ({ type: 'refused', reason: 'malformed', approvalId: null })),
    ])
  })

  it('report another version of the agent once a version, and no other agent', async () => {
    const { receiver, events } = bench({ sweep: 'elsewhere' })
    const agents = ['Cheqpoint-Callback/1.1', 'curl/8', 'Cheqpoint-Callback/1.1', 'Cheqpoint-Callback/2.0']
    for (const agent of [...agents, 'Cheqpoint-Callback/x\u001b[31m', `Cheqpoint-Callback/${'9'.repeat(33)}`]) {
      const header = (name: string): readonly string[] => (name === 'user-agent' ? [agent] : [])
      await receiver.handle({ method: 'POST', url: '/', header, body: { parsed: {} } })
    }
    expect(events.filter(({ type }) => type === 'agent-version')).toEqual([
      { type: 'agent-version', agent: 'Cheqpoint-Callback/1.1' },
      { type: 'agent-version', agent: 'Cheqpoint-Callback/2.0' },
    ])
  })

  it('keep a bounded number of agent versions and status words', async () => {
    const { receiver, api, events } = bench({
      sweep: 'elsewhere',
      confirm: { minIntervalMs: 0, requestsPerSecond: Number.POSITIVE_INFINITY },
    })
    await receiver.track('req_1', refund)
    for (let each = 0; each < 100; each++) {
      const headers = { 'user-agent': `Cheqpoint-Callback/9.${each}` }
      await receiver.fetch(callbackRequest('req_1', { headers }))
      api.answer('req_1', { body: { id: 'req_1', status: `WORD_${each}` } })
      await receiver.fetch(callbackRequest('req_1'))
    }
    expect(events.filter(({ type }) => type === 'agent-version')).toHaveLength(16)
    expect(events.filter(({ type }) => type === 'unknown-status')).toHaveLength(64)
  })

  it('have only the start of a long status word', async () => {
    const { receiver, api, events } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    api.answer('req_1', { body: { id: 'req_1', status: `ESCALATED ${'x'.repeat(100)} card 4242` } })
    await receiver.fetch(callbackRequest('req_1'))
    expect(events.find(({ type }) => type === 'unknown-status')).toEqual({
      type: 'unknown-status',
      approvalId: 'req_1',
      word: `ESCALATED ${'x'.repeat(54)}`,
    })
  })

  it('show a status word in one short line, whatever it is: 64 characters, none that a terminal would obey', async () => {
    const { receiver, api, events } = bench({ sweep: 'elsewhere' })
    const words = [
      ['\u001b[31mAPPROVED\r\n{"type":"completed"}', '\\u{1b}[31mAPPROVED\\u{d}\\u{a}{"type":"completed"}'],
      ['AP\u202ePROVED\u2028\u009b2J', 'AP\\u{202e}PROVED\\u{2028}\\u{9b}2J'],
      ['P\u00c9NDING \ud83d\ude80', 'P\u00c9NDING \ud83d\ude80'],
      ['x'.repeat(500_000), 'x'.repeat(64)],
      [`${'y'.repeat(63)}\ud83d\ude80`, `${'y'.repeat(63)}\\u{d83d}`],
    ] as const
    for (const [index, [status]] of words.entries()) {
      const id = `req_${index}`
      await receiver.track(id, refund)
      api.answer(id, { body: { id, status } })
      await receiver.fetch(callbackRequest(id))
    }
    const told = events.flatMap((event) => (event.type === 'unknown-status' ? [event.word] : []))
    expect(told).toEqual(words.map(([, shown]) => shown))
  })

  it('report once that nothing sweeps, at the first callback or the first track', async () => {
    for (const first of ['track', 'callback'] as const) {
      const { receiver, events } = bench({ sweep: 'off' })
      if (first === 'track') await receiver.track('req_1', refund)
      await receiver.fetch(callbackRequest('req_2'))
      await receiver.fetch(callbackRequest('req_2'))
      expect(events.filter(({ type }) => type === 'not-sweeping')).toHaveLength(1)
    }
  })

  it('do not report it where another process sweeps, or this one does', async () => {
    const elsewhere = bench({ sweep: 'elsewhere' })
    await elsewhere.receiver.track('req_1', refund)
    const here = bench({ sweep: 'here' })
    await here.receiver.start()
    await here.receiver.track('req_1', refund)
    await here.receiver.close()
    expect([...elsewhere.eventTypes(), ...here.eventTypes()]).not.toContain('not-sweeping')
  })
})
