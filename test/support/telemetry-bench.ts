import { type Attributes, type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  type DataPoint,
  type ExponentialHistogram,
  type Histogram,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics'
import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { Telemetry } from '../../src/opentelemetry/index.js'
import { telemetry } from '../../src/opentelemetry/index.js'

/** Keeps every span, in the order of their starts. */
export class Traces implements SpanProcessor {
  readonly started: ReadableSpan[] = []

  onStart(span: ReadableSpan, _parent: Context): void {
    this.started.push(span)
  }
  onEnd(): void {}
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}

  /** Each trace as a tree of names, with a failure before and links after the name. */
  tree(): readonly string[] {
    return treeOf(this.started.map(shownOf))
  }

  /** The spans of this name, in order. */
  named(name: string): readonly ReadableSpan[] {
    return this.started.filter((span) => span.name === name)
  }

  /** Attributes of the spans of this name. */
  attributes(name: string): readonly Attributes[] {
    return this.named(name).map((span) => span.attributes)
  }
}

/** The text of a span in a tree. */
export interface Shown {
  readonly name: string
  readonly id: string
  readonly parent: string | undefined
  readonly links: readonly string[]
  /** `undefined` if it has not failed. */
  readonly failure: string | undefined
  readonly kind: string
  readonly isOpen: boolean
}

function shownOf(span: ReadableSpan): Shown {
  const { name, kind, links, status, attributes, parentSpanContext, ended } = span
  return {
    name,
    id: span.spanContext().spanId,
    parent: parentSpanContext?.spanId,
    links: links.map(({ context }) => context.spanId),
    failure: status.code === SpanStatusCode.ERROR ? String(attributes['error.type']) : undefined,
    kind: SpanKind[kind].toLowerCase(),
    isOpen: !ended,
  }
}

/** A line for each span, below its parent: name, kind, failure, and where its links go. */
export function treeOf(spans: readonly Shown[]): readonly string[] {
  const names = new Map(spans.map(({ id, name }) => [id, name]))
  const below = (parent: string | undefined, indent: string): readonly string[] =>
    spans
      .filter((span) => (names.has(span.parent ?? '') ? span.parent : undefined) === parent)
      .flatMap((span) => {
        const to = span.links.map((id) => names.get(id) ?? 'elsewhere').join(' and ')
        const rest = `${span.failure === undefined ? '' : ` failed: ${span.failure}`}${to === '' ? '' : ` → ${to}`}`
        const line = `${indent}${span.name} (${span.kind})${rest}${span.isOpen ? ' …' : ''}`
        return [line, ...below(span.id, `${indent}  `)]
      })
  return below(undefined, '')
}

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** A metric: its value, or the count and sum of a histogram. */
export type Figure = number | { readonly count: number; readonly sum: number | undefined }

/** Traces and metrics that are kept in memory. */
export interface TelemetryBench {
  readonly telemetry: Telemetry
  readonly traces: Traces
  /** Every metric by `name label=value …`, labels in order. */
  readonly figures: () => Promise<Readonly<Record<string, Figure>>>
}

/** The telemetry of one process; processes may share traces. */
export function telemetryBench(traces: Traces = new Traces()): TelemetryBench {
  const reader = new Reader()
  const meterProvider = new MeterProvider({ readers: [reader] })
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [traces] })
  return {
    telemetry: telemetry({ tracerProvider, meterProvider }),
    traces,
    async figures() {
      const { resourceMetrics } = await reader.collect()
      const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      return Object.fromEntries(
        all.flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map((point: DataPoint<number | Histogram | ExponentialHistogram>) => {
            const labels = Object.entries(point.attributes).map(
              ([name, value]) => ` ${name.replace('cheqpoint.', '')}=${value}`,
            )
            const { value } = point
            return [
              `${descriptor.name.replace('cheqpoint.', '')}${labels.sort().join('')}`,
              typeof value === 'number' ? value : { count: value.count, sum: value.sum },
            ]
          }),
        ),
      )
    },
  }
}

/** Enables active spans, as a registered SDK does. The returned function disables them. */
export function activeSpans(): () => void {
  new NodeTracerProvider().register()
  // Spans go to the tests' providers; the active context is global.
  trace.disable()
  return () => context.disable()
}
