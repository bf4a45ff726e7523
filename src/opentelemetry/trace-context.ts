import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api'

/** Maximum length. If `tracestate` would exceed it, it is left out. */
const longest = 512

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?: ([\x20-\x7e]*))?$/

/** Writes a trace as W3C Trace Context: `traceparent`, a space, `tracestate`. `undefined` for none. */
export function writeTrace(span: SpanContext | undefined): string | undefined {
  if (span === undefined || !isSpanContextValid(span)) return undefined
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0')
  const parent = `00-${span.traceId}-${span.spanId}-${flags}`
  const state = span.traceState?.serialize() ?? ''
  const whole = `${parent} ${state}`
  return state !== '' && whole.length <= longest ? whole : parent
}

/** Reads what {@link writeTrace} wrote; `null` if it is not a trace. */
export function readTrace(text: string | null): SpanContext | null {
  if (text === null || text.length > longest) return null
  const [, traceId = '', spanId = '', flags = '', state] = pattern.exec(text) ?? []
  const traceState = state === undefined ? {} : { traceState: createTraceState(state) }
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true, ...traceState }
  return isSpanContextValid(span) ? span : null
}
