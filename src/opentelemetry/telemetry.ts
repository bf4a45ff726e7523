import { context, type MeterProvider, metrics, type TracerProvider, trace } from '@opentelemetry/api'
import type { CheqpointEvent } from '../model/events.js'
import type { StoreCounts } from '../model/store-counts.js'
import type { Ended, Telemetry, Work } from '../model/telemetry.js'
import { type Read, readGroup, withMethods } from '../options/option-checks.js'
import { errorType } from './error-type.js'
import { Metrics } from './metrics.js'
import { quietly } from './quietly.js'
import { Spans } from './spans.js'
import { writeTrace } from './trace-context.js'

/** Options of {@link telemetry}. */
export interface TelemetryOptions {
  /** Default: the global one, which may be registered later. */
  readonly tracerProvider?: TracerProvider | undefined
  /** Default: the global one, which must be registered before this call. */
  readonly meterProvider?: MeterProvider | undefined
}

const scope = 'cheqpoint-callback'

const optionTable = {
  tracerProvider: provider<TracerProvider>('getTracer'),
  meterProvider: provider<MeterProvider>('getMeter'),
}

/**
 * Creates the option `telemetry` of `createReceiver`: traces and metrics through OpenTelemetry, for one receiver. Never
 * exports details, context, notes, keys, tokens or error messages. Throws `option-invalid` or `option-unknown`.
 *
 * @example
 * ```ts
 * const receiver = createReceiver({ apiKey, onDecision, telemetry: telemetry() })
 * ```
 */
export function telemetry(options: TelemetryOptions = {}): Telemetry {
  const { tracerProvider, meterProvider } = readGroup(options, '', optionTable)
  const spans = new Spans((tracerProvider ?? trace).getTracer(scope))
  const figures = new Metrics((meterProvider ?? metrics).getMeter(scope))

  /** Counts an API call by its result. */
  async function counted<Value>(call: 'confirm' | 'submit', work: () => Promise<Value>): Promise<Value> {
    try {
      const value = await work()
      quietly(() => figures.call(call))
      return value
    } catch (error) {
      quietly(() => figures.call(call, errorType(error)))
      throw error
    }
  }

  return {
    during<Value extends Ended>(work: Work, call: () => Promise<Value>): Promise<Value> {
      if (work.kind === 'send') return counted('submit', call)
      return spans.during(work, work.kind === 'confirm' ? () => counted('confirm', call) : call)
    },
    traceContext: () => quietly(() => writeTrace(trace.getSpanContext(context.active()))),
    event(event: CheqpointEvent): void {
      quietly(() => spans.event(event))
      quietly(() => figures.event(event))
    },
    observe(count: () => Promise<StoreCounts>): () => void {
      const stop = quietly(() => figures.observe(count))
      return () => void quietly(() => stop?.())
    },
  }
}

function provider<Provider>(method: keyof Provider & string): Read<Provider | undefined> {
  return (value, path) =>
    value === undefined ? undefined : withMethods<Provider>(value, path, [method], `an object with ${method}()`)
}
