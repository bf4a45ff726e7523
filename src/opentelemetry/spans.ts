import {
  type Attributes,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { CheqpointEvent } from '../model/events.js'
import type { Ended, Work } from '../model/telemetry.js'
import { errorType } from './error-type.js'
import { quietly } from './quietly.js'
import { readTrace } from './trace-context.js'

/** Work with a span. */
export type Shown = Exclude<Work, { kind: 'send' }>

const kinds = {
  submit: SpanKind.PRODUCER,
  callback: SpanKind.SERVER,
  sweep: SpanKind.INTERNAL,
  confirm: SpanKind.CLIENT,
  run: SpanKind.CONSUMER,
} as const

/** Spans of the work of one receiver. */
export class Spans {
  readonly #tracer: Tracer
  /** Runs in progress in this process, by approval. */
  readonly #runs = new Map<string, Span>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  async during<Value extends Ended>(work: Shown, call: () => Promise<Value>): Promise<Value> {
    const span = quietly(() => this.#start(work))
    if (span === undefined) return call()
    if (work.kind === 'run') this.#runs.set(work.approvalId, span)
    try {
      const value = await within(span, work, call)
      quietly(() => span.setAttributes(endOf(work, value)))
      return value
    } catch (error) {
      quietly(() => fail(span, errorType(error)))
      throw error
    } finally {
      // Another run may have followed a run that was given up.
      if (work.kind === 'run' && this.#runs.get(work.approvalId) === span) this.#runs.delete(work.approvalId)
      quietly(() => span.end())
    }
  }

  /** Adds an event to the span of its run. */
  event(event: CheqpointEvent): void {
    const span = 'approvalId' in event && event.approvalId !== null ? this.#runs.get(event.approvalId) : undefined
    if (span === undefined) return
    if (event.type === 'run-failed') fail(span, event.timedOut ? 'timeout' : errorType(event.error))
    else if (event.type === 'lease-lost' || event.type === 'completed-after-takeover') fail(span, event.type)
    else if (event.type === 'parked') span.setAttribute('cheqpoint.reason', event.reason)
  }

  #start(work: Shown): Span {
    const name = 'action' in work ? `${work.kind} ${work.action}` : work.kind
    const options = { kind: kinds[work.kind], attributes: startOf(work) }
    if (work.kind !== 'run') return this.#tracer.startSpan(name, options)
    return this.#tracer.startSpan(name, { ...options, root: true, links: linksOf(work.trace) }, ROOT_CONTEXT)
  }
}

/** Makes the call in the context of the span, exactly once, even if OpenTelemetry throws. */
function within<Value>(span: Span, { kind }: Shown, call: () => Promise<Value>): Promise<Value> {
  let called: Promise<Value> | undefined
  const once = (): Promise<Value> => {
    // Asynchronous, so that a call that throws at once counts as made.
    called ??= (async () => call())()
    return called
  }
  quietly(() => {
    // A run starts its own trace: its handler must not see the context of the call that started it.
    const above = kind === 'run' ? ROOT_CONTEXT : context.active()
    context.with(trace.setSpan(above, span), once)
  })
  return once()
}

function startOf(work: Shown): Attributes {
  const { kind } = work
  const id = 'approvalId' in work ? { 'cheqpoint.approval_id': work.approvalId } : {}
  if (kind !== 'submit' && kind !== 'run') return id
  const { action } = work
  const message = {
    'messaging.system': 'cheqpoint',
    'messaging.operation.name': kind,
    'messaging.operation.type': kind === 'submit' ? 'send' : 'process',
    'messaging.destination.name': action,
  }
  if (kind === 'submit') return { ...message, 'cheqpoint.action': action }
  return {
    ...message,
    ...id,
    'messaging.message.id': work.approvalId,
    'cheqpoint.action': action,
    'cheqpoint.status': work.status,
    'cheqpoint.via': work.via,
    'cheqpoint.attempt': work.attempt,
    'cheqpoint.fence': work.fence,
  }
}

function endOf({ kind }: Shown, { kind: outcome, status, approvalId }: Ended): Attributes {
  if (kind === 'confirm') return { 'cheqpoint.status': status }
  if (kind !== 'submit') return { 'cheqpoint.outcome': outcome }
  return { 'cheqpoint.status': status, 'cheqpoint.approval_id': approvalId, 'messaging.message.id': approvalId }
}

/** Links to the submission, and to the callback, sweep or call that found the decision. */
function linksOf(submitted: string | null): Link[] {
  const submission = readTrace(submitted)
  const trigger = trace.getSpanContext(context.active())
  const links: Link[] = []
  if (submission !== null) links.push({ context: submission, attributes: { 'cheqpoint.link': 'submission' } })
  if (trigger !== undefined && trigger.spanId !== submission?.spanId)
    links.push({ context: trigger, attributes: { 'cheqpoint.link': 'trigger' } })
  return links
}

/** Sets no message: the error may quote a payload. */
function fail(span: Span, type: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute('error.type', type)
}
