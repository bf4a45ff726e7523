import { AsyncLocalStorage } from 'node:async_hooks'
import { context, createContextKey, trace } from '@opentelemetry/api'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { telemetry } from '../../src/opentelemetry/index.js'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'
import { decidedPost, refund as request, SubmitApi, submitBench } from '../support/submit-bench.js'
import { activeSpans, Traces } from '../support/telemetry-bench.js'

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

const key = createContextKey('something of a tenant')
const tenant = new AsyncLocalStorage<string>()
const run = 'run process_refund'

/** Traces of an app, and of a receiver whose handlers make a span each, early and late. */
function tracing(options: Partial<ReceiverOptions> = {}, work: Promise<unknown> = Promise.resolve()) {
  const traces = new Traces()
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [traces] })
  const app = tracerProvider.getTracer('app')
  const seen: unknown[] = []
  const onDecision = async (): Promise<void> => {
    app.startSpan('charge').end()
    seen.push(context.active().getValue(key), tenant.getStore())
    await work
    app.startSpan('receipt').end()
  }
  /** Calls within a span of the app, and with something of this tenant in the context. */
  const within = <Value>(name: string, call: () => Promise<Value>): Promise<Value> =>
    tenant.run(name, () =>
      context.with(context.active().setValue(key, name), () =>
        app.startActiveSpan(name, async (span) => call().finally(() => span.end())),
      ),
    )
  return {
    traces,
    tracerProvider,
    within,
    seen,
    options: { telemetry: telemetry({ tracerProvider }), onDecision, ...options },
  }
}

const handled = ['  charge (internal)', '  receipt (internal)']

describe('a span that a handler makes', () => {
  it('belongs to the run, whatever brought the decision', async () => {
    const { traces, within, options } = tracing()
    const { receiver, api } = bench(options)
    await trackAll(receiver, ids(3))
    for (const id of ids(3)) api.approve(id)
    await within('POST /hook', () => receiver.fetch(callbackRequest('req_0')))
    await within('resolve by hand', () => receiver.resolve('req_1'))
    await receiver.start()
    await pass(6_000)
    await receiver.close()
    expect(traces.tree()).toEqual([
      ...['POST /hook (internal)', '  callback (server)', '    confirm (client)'],
      ...[`${run} (consumer) → callback`, ...handled],
      ...['resolve by hand (internal)', '  confirm (client)'],
      ...[`${run} (consumer) → resolve by hand`, ...handled],
      ...['sweep (internal)', '  confirm (client)'],
      ...[`${run} (consumer) → sweep`, ...handled],
    ])
  })

  it('belongs to the run that Cheqpoint allowed at once, not to the submission', async () => {
    const { traces, within, options } = tracing()
    const api = new SubmitApi()
    api.onPost = (_, id) => decidedPost(id, 'approved')
    const { receiver } = submitBench(options, api)
    await within('agent', () => receiver.submit(request))
    expect(traces.tree()).toEqual([
      ...['agent (internal)', '  submit process_refund (producer)'],
      ...[`${run} (consumer) → submit process_refund`, ...handled],
    ])
  })

  it('belongs to its own run where many go on at a time', async () => {
    const work = gate()
    const { traces, within, options } = tracing({}, work.promise)
    const { receiver, api } = bench(options)
    await trackAll(receiver, ids(12))
    for (const id of ids(12)) api.approve(id)
    const answers = ids(12).map((id) => within(id, () => receiver.fetch(callbackRequest(id))))
    await pass(0)
    work.open()
    await Promise.all(answers)
    const runs = traces.named(run)
    expect(runs).toHaveLength(12)
    for (const each of runs) {
      const below = traces.started.filter((span) => span.parentSpanContext?.spanId === each.spanContext().spanId)
      expect(below.map(({ name }) => name)).toEqual(['charge', 'receipt'])
    }
  })

  it('is a submission of its own where the handler asks for another approval', async () => {
    const { traces, options } = tracing()
    const { receiver, api } = submitBench({
      ...options,
      onDecision: async ({ approvalId }) => {
        if (approvalId === 'req_1') await receiver.submit(request)
      },
    })
    await receiver.submit(request)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(traces.tree().slice(3)).toEqual([
      `${run} (consumer) → submit process_refund and callback`,
      '  submit process_refund (producer)',
    ])
  })
})

describe('a request that was submitted elsewhere', () => {
  it('is linked to the span that was active when it was tracked', async () => {
    const { traces, within, options } = tracing()
    const { receiver, api } = bench(options)
    await within('agent', () => receiver.track('req_1', refund))
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(traces.tree().slice(0, 3)).toEqual(['agent (internal)', 'confirm (client)', `${run} (consumer) → agent`])
  })
})

describe('the context of a handler', () => {
  it('holds nothing of the context of a trace that a caller had', async () => {
    const { within, seen, options } = tracing()
    const { receiver, api } = bench(options)
    await within('a', () => receiver.track('req_1', refund))
    api.approve('req_1')
    await within('b', () => receiver.resolve('req_1'))
    expect(seen).toEqual([undefined, 'b'])
  })

  it('is no tenant’s where their waits poll for each other', async () => {
    const { traces, within, seen, options } = tracing()
    const { receiver, api } = bench(options)
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    await pass(6_000)
    const waits = ['a', 'b'].map((name, at) => within(name, () => receiver.wait(`req_${at}`)))
    await pass(0)
    await Promise.all(waits)
    expect(seen).toEqual([undefined, undefined, undefined, undefined])
    expect(traces.tree()).toEqual([
      ...['a (internal)', 'b (internal)'],
      ...['sweep (internal)', '  confirm (client)', 'sweep (internal)', '  confirm (client)'],
      ...[`${run} (consumer) → sweep`, ...handled, `${run} (consumer) → sweep`, ...handled],
    ])
  })

  it('is no tenant’s where one of them called start() or woke the sweep', async () => {
    const { traces, within, options } = tracing()
    const { receiver, api } = bench(options)
    await within('a', () => receiver.start())
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await pass(6_000)
    await within('b', () => receiver.close())
    expect(traces.tree()).toEqual([
      ...['a (internal)', 'sweep (internal)', '  confirm (client)'],
      ...[`${run} (consumer) → sweep`, ...handled, 'b (internal)'],
    ])
  })
})

describe('what is active', () => {
  it('is the caller’s span again once a call returns', async () => {
    const { within, options } = tracing()
    const { receiver, api } = submitBench(options)
    await within('agent', async () => {
      const before = trace.getActiveSpan()
      const submitting = receiver.submit(request)
      expect(trace.getActiveSpan()).toBe(before)
      const { approvalId } = await submitting
      api.approve(approvalId)
      await receiver.resolve(approvalId)
      expect(trace.getActiveSpan()).toBe(before)
    })
  })
})
