import {
  context,
  createNoopMeter,
  type MeterProvider,
  ProxyTracerProvider,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createReceiver, memoryStore, type ReceiverOptions } from '../../src/index.js'
import type { Telemetry, TelemetryOptions } from '../../src/opentelemetry/index.js'
import { telemetry } from '../../src/opentelemetry/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { FaultyStore } from '../support/runs-store.js'
import { refund as request, submitBench } from '../support/submit-bench.js'
import { activeSpans, telemetryBench } from '../support/telemetry-bench.js'

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
  vi.restoreAllMocks()
})

function broken(): never {
  throw new Error('broken telemetry')
}

it.each([null, 7, 'text'])('telemetry(%j) throws option-invalid', (wrong) => {
  // What the types rule out, plain JavaScript may send.
  expect(() => telemetry(wrong as unknown as undefined)).toThrow(expect.objectContaining({ code: 'option-invalid' }))
})

/** A span whose every method throws. */
const brokenSpan = new Proxy({}, { get: () => broken }) as Span // the library asks for nothing but its methods

/** A submission, its callback, a failure and a retry: what the events say of them. */
async function story(given: Telemetry | undefined): Promise<readonly string[]> {
  let failing = true
  const { receiver, api, types } = submitBench({
    telemetry: given,
    random: () => 0.5,
    onDecision() {
      if (failing) throw new Error('ledger is down')
    },
  })
  const { approvalId } = await receiver.submit(request)
  api.approve(approvalId)
  await receiver.fetch(callbackRequest(approvalId))
  failing = false
  await receiver.resolve(approvalId)
  await receiver.close()
  return types()
}

/** A provider of these tracers. */
function providing(tracer: Partial<Tracer>): { readonly getTracer: () => Tracer } {
  // The library starts spans, and nothing else.
  return { getTracer: () => tracer as Tracer }
}

/** A provider of one meter that does nothing, apart from these methods. */
function metering(methods: Readonly<Record<string, () => unknown>>): MeterProvider {
  return { getMeter: () => Object.assign(Object.create(createNoopMeter()), methods) }
}

describe('what happens to a decision is the same', () => {
  it.each([
    ['without providers', () => telemetry()],
    ['with providers', () => telemetryBench().telemetry],
    ['with a provider that is registered later', () => telemetry({ tracerProvider: new ProxyTracerProvider() })],
    ['where spans cannot be started', () => telemetry({ tracerProvider: providing({ startSpan: broken }) })],
    ['where spans throw', () => telemetry({ tracerProvider: providing({ startSpan: () => brokenSpan }) })],
    [
      'where figures throw',
      () => {
        return telemetry({ meterProvider: metering({ createCounter: () => ({ add: broken }) }) })
      },
    ],
    ['where gauges cannot be created', () => telemetry({ meterProvider: metering({ createObservableGauge: broken }) })],
    [
      'where gauges cannot be removed',
      () => telemetry({ meterProvider: metering({ removeBatchObservableCallback: broken }) }),
    ],
    [
      'where no context can be entered',
      () => {
        vi.spyOn(context, 'with').mockImplementation(broken)
        return telemetryBench().telemetry
      },
    ],
    [
      'where a context cannot be left',
      () => {
        vi.spyOn(context, 'with').mockImplementation((_, call) => {
          // Its arguments are those of no call here.
          ;(call as () => unknown)()
          return broken()
        })
        return telemetryBench().telemetry
      },
    ],
    [
      'where the context cannot be read',
      () => {
        vi.spyOn(context, 'active').mockImplementation(broken)
        return telemetryBench().telemetry
      },
    ],
  ])('%s', async (_, make) => {
    expect(await story(make())).toEqual(await story(undefined))
  })
})

describe('the trace that is kept with a request', () => {
  it('is erased with its details once a handler is done', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({ store, telemetry: telemetryBench().telemetry })
    const { approvalId } = await receiver.submit(request)
    expect(await kept(store, approvalId)).toMatchObject({ trace: expect.stringMatching(/^00-\w{32}-\w{16}-01$/) })
    api.approve(approvalId)
    await receiver.resolve(approvalId)
    expect(JSON.stringify(await store.read(`a:${approvalId}`))).not.toContain('00-')
  })

  it('is erased by a cancel too, and kept while a person is to decide', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({
      store,
      telemetry: telemetryBench().telemetry,
      runs: { maxAttempts: 1 },
      onDecision: () => Promise.reject(new Error('ledger is down')),
    })
    const { approvalId } = await receiver.submit(request)
    api.approve(approvalId)
    await receiver.resolve(approvalId)
    expect(await kept(store, approvalId)).toMatchObject({ state: 'parked', trace: expect.stringMatching(/^00-/) })
    await receiver.cancel(approvalId)
    expect(JSON.stringify(await store.read(`a:${approvalId}`))).not.toContain('00-')
  })

  it('takes no byte of the store where there is none', async () => {
    const store = memoryStore()
    const { receiver } = submitBench({ store })
    const { approvalId } = await receiver.submit(request)
    expect(JSON.stringify(await store.read(`a:${approvalId}`))).not.toContain('trace')
  })

  it('is not what an idempotency key stands for', async () => {
    const { receiver, api } = submitBench({ telemetry: telemetryBench().telemetry })
    const key = { idempotencyKey: 'step 1' }
    const [first, again] = [await receiver.submit(request, key), await receiver.submit(request, key)]
    expect([again.approvalId, api.posts.length]).toEqual([first.approvalId, 1])
  })

  it.each([
    ['another text', 'not a trace'],
    ['a text without end', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01 ${'x'.repeat(100_000)}`],
  ])('is taken for none where the store holds %s', async (_, trace) => {
    const shown = telemetryBench()
    const store = memoryStore()
    const { receiver, api } = bench({ store, telemetry: shown.telemetry })
    await receiver.track('req_1', refund)
    const { entry } = await store.read('a:req_1')
    if (entry === null) throw new Error('it is not there')
    await store.write('a:req_1', entry.stamp, { ...entry, stamp: 'changed', state: { ...entry.state, trace } })
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(shown.traces.tree()).toEqual(['confirm (client)', 'run process_refund (consumer)'])
  })
})

describe('the option telemetry', () => {
  it.each([[{}], [null], ['console'], [{ during() {} }]])('refuses %j, and says what it takes', (wrong) => {
    // Given by mistake, or from JavaScript.
    const options = { apiKey: 'k', onDecision() {}, telemetry: wrong } as unknown as ReceiverOptions
    expect(() => createReceiver(options)).toThrow(/telemetry must be what telemetry\(\) of cheqpoint-callback\/opentel/)
  })
})

describe('an option of telemetry()', () => {
  it.each([
    [null, 'option-invalid', /^option options must be an object/],
    [[], 'option-invalid', /^option options must be an object/],
    [{ tracerprovider: {} }, 'option-unknown', /^option tracerprovider is not known \(did you mean tracerProvider\?\)/],
    [{ tracerProvider: {} }, 'option-invalid', /^option tracerProvider must be an object with getTracer\(\)/],
    [{ meterProvider: null }, 'option-invalid', /^option meterProvider must be an object with getMeter\(\)/],
  ])('that is wrong is refused: %j', (wrong, code, message) => {
    // Given by mistake, or from JavaScript.
    const make = (): unknown => telemetry(wrong as unknown as TelemetryOptions)
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })
})

it('a store that hangs holds up no reader of the figures for ever', async () => {
  const [faulty, { telemetry, figures }] = [new FaultyStore(), telemetryBench()]
  bench({ store: faulty.store, telemetry })
  faulty.hang('count')
  const reading = figures()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await reading).toEqual({})
})
