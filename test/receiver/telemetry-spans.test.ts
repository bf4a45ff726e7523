import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { takeOver } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { FaultyStore } from '../support/runs-store.js'
import { gate, pass } from '../support/runs-time.js'
import { decidedPost, failure, refund as request, SubmitApi, submitBench } from '../support/submit-bench.js'
import { activeSpans, type TelemetryBench, telemetryBench } from '../support/telemetry-bench.js'

let end: () => void
beforeAll(() => {
  end = activeSpans()
})
afterAll(() => end())
beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A receiver that submits, and shows it. */
function observed(options: Partial<ReceiverOptions> = {}, shown: TelemetryBench = telemetryBench(), api?: SubmitApi) {
  return { ...submitBench({ telemetry: shown.telemetry, ...options }, api), ...shown }
}

const run = 'run process_refund'
const submit = 'submit process_refund'

describe('the trace of a request', () => {
  it('is its submission, the callback with its confirmation, and a run that is linked to both', async () => {
    const { receiver, api, traces } = observed()
    const { approvalId } = await receiver.submit(request)
    api.approve(approvalId)
    await receiver.fetch(callbackRequest(approvalId))
    expect(traces.tree()).toEqual([
      `${submit} (producer)`,
      'callback (server)',
      '  confirm (client)',
      `${run} (consumer) → ${submit} and callback`,
    ])
    expect(new Set(traces.started.map((span) => span.spanContext().traceId)).size).toBe(3)
    expect(traces.named(run)[0]?.links.map(({ attributes }) => attributes)).toEqual([
      { 'cheqpoint.link': 'submission' },
      { 'cheqpoint.link': 'trigger' },
    ])
  })

  it('says what happened in attributes, and how it fits a message', async () => {
    const { receiver, api, traces } = observed()
    const { approvalId } = await receiver.submit(request)
    api.reject(approvalId)
    await receiver.fetch(callbackRequest(approvalId))
    const message = { 'messaging.system': 'cheqpoint', 'messaging.destination.name': 'process_refund' }
    expect(traces.started.map(({ attributes }) => attributes)).toEqual([
      {
        ...{ ...message, 'messaging.operation.name': 'submit', 'messaging.operation.type': 'send' },
        ...{ 'messaging.message.id': 'req_1', 'cheqpoint.approval_id': 'req_1' },
        ...{ 'cheqpoint.action': 'process_refund', 'cheqpoint.status': 'pending' },
      },
      { 'cheqpoint.approval_id': 'req_1', 'cheqpoint.outcome': 'handled' },
      { 'cheqpoint.approval_id': 'req_1', 'cheqpoint.status': 'rejected' },
      {
        ...{ ...message, 'messaging.operation.name': 'run', 'messaging.operation.type': 'process' },
        ...{ 'messaging.message.id': 'req_1', 'cheqpoint.approval_id': 'req_1' },
        ...{ 'cheqpoint.action': 'process_refund', 'cheqpoint.status': 'rejected', 'cheqpoint.via': 'callback' },
        ...{ 'cheqpoint.attempt': 1, 'cheqpoint.fence': 1, 'cheqpoint.outcome': 'handled' },
      },
    ])
  })

  it('goes on in another process, whose sweep finds the decision', async () => {
    const store = memoryStore()
    const first = observed({ store })
    const { approvalId } = await first.receiver.submit(request)
    await first.receiver.close()
    const shown = telemetryBench(first.traces)
    const { receiver, api } = bench({ store, telemetry: shown.telemetry })
    api.approve(approvalId)
    await receiver.start()
    await pass(20_000)
    expect(first.traces.tree()).toEqual([
      `${submit} (producer)`,
      'sweep (internal)',
      '  confirm (client)',
      `${run} (consumer) → ${submit} and sweep`,
    ])
    await receiver.close()
  })

  it('where Cheqpoint decides at once has no other trigger than the submission', async () => {
    const api = new SubmitApi()
    api.onPost = (_, id) => decidedPost(id, 'approved')
    const { receiver, traces } = observed({}, telemetryBench(), api)
    await receiver.submit(request)
    expect(traces.tree()).toEqual([`${submit} (producer)`, `${run} (consumer) → ${submit}`])
  })

  it('has a run for each attempt, with what failed', async () => {
    let failing = true
    const { receiver, api, traces } = observed({
      onDecision() {
        if (failing) throw new TypeError('card 4242 is declined')
      },
    })
    const { approvalId } = await receiver.submit(request)
    api.approve(approvalId)
    await receiver.fetch(callbackRequest(approvalId))
    failing = false
    await receiver.resolve(approvalId)
    expect(traces.tree().slice(3)).toEqual([
      `${run} (consumer) failed: TypeError → ${submit} and callback`,
      `${run} (consumer) → ${submit}`,
    ])
    expect(traces.attributes(run)).toMatchObject([
      { 'cheqpoint.attempt': 1, 'cheqpoint.outcome': 'handler-failed', 'error.type': 'TypeError' },
      { 'cheqpoint.attempt': 2, 'cheqpoint.outcome': 'handled' },
    ])
  })

  it('goes on in the process that takes over from one that died', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = observed({ store: dying.store, onDecision: () => dying.hang() })
    const { approvalId } = await first.receiver.submit(request)
    first.api.approve(approvalId)
    void first.receiver.fetch(callbackRequest(approvalId))
    await pass(30_000)
    const second = observed({ store }, telemetryBench(first.traces), first.api)
    await second.receiver.resolve(approvalId)
    expect(first.traces.tree().slice(-2)).toEqual([
      `${run} (consumer) failed: lease-lost → ${submit} and callback …`,
      `${run} (consumer) → ${submit}`,
    ])
    expect(first.traces.attributes(run).map((each) => each['cheqpoint.fence'])).toEqual([1, 2])
  })

  it('tells of a run that ended after another took over', async () => {
    const [work, store] = [gate(), memoryStore()]
    const { receiver, api, traces } = following({ store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.resolve('req_1')
    await pass(0)
    await takeOver(store, 'req_1')
    work.open()
    await answer
    expect(traces.tree()).toEqual(['confirm (client)', `${run} (consumer) failed: completed-after-takeover`])
  })

  it('tells why a run left the approval to a person', async () => {
    const { receiver, api, traces } = following({
      runs: { maxAttempts: 1 },
      onDecision: () => Promise.reject(new Error('ledger is down')),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(traces.attributes(run)).toMatchObject([{ 'cheqpoint.reason': 'too-many-attempts', 'error.type': 'Error' }])
  })

  it('tells of a run that took too long', async () => {
    const { receiver, api, traces } = following({ runs: { timeoutMs: 1_000 }, onDecision: () => new Promise(() => {}) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.resolve('req_1')
    await pass(31_001)
    await answer
    expect(traces.tree()).toEqual(['confirm (client)', `${run} (consumer) failed: timeout`])
  })

  it('has a sweep for each poll, decided or not', async () => {
    // The first poll comes after 5 s, the second one after 10.
    const { receiver, api, traces } = following({ random: () => 0.5 })
    await receiver.track('req_1', refund)
    api.pend('req_1')
    await receiver.start()
    await pass(8_000)
    expect(traces.tree()).toEqual(['sweep (internal)', '  confirm (client)'])
    expect(traces.started.map(({ attributes }) => attributes)).toMatchObject([
      { 'cheqpoint.outcome': 'undecided' },
      { 'cheqpoint.status': 'pending' },
    ])
    await receiver.close()
  })

  it('names what the API failed with, and no more of it', async () => {
    const { receiver, api, traces } = following()
    await receiver.track('req_1', refund)
    api.answer('req_1', { status: 503, body: { message: 'pool exhausted' } })
    await receiver.fetch(callbackRequest('req_1'))
    expect(traces.tree()).toEqual(['callback (server)', '  confirm (client) failed: api-failed'])
    expect(traces.started.map(({ status }) => status.message)).toEqual([undefined, undefined])
  })

  it('of a submission that is refused names the code', async () => {
    const api = new SubmitApi()
    api.onPost = () => ({ status: 422, body: { message: 'no such action' } })
    const { receiver, traces } = observed({}, telemetryBench(), api)
    await failure(receiver.submit(request))
    expect(traces.tree()).toEqual([`${submit} (producer) failed: submission-refused`])
  })

  it('is not begun by a callback that fails the checks', async () => {
    const { receiver, traces } = following()
    await receiver.fetch(callbackRequest('req_1', { headers: { 'user-agent': 'curl/8' } }))
    expect(traces.started).toEqual([])
  })
})

/** A receiver that follows requests, and shows it. */
function following(options: Partial<ReceiverOptions> = {}) {
  const shown = telemetryBench()
  return { ...bench({ telemetry: shown.telemetry, ...options }), ...shown }
}
