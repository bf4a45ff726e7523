import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api'
import type { CheqpointEvent } from '../model/events.js'
import type { StoreCounts } from '../model/store-counts.js'

/** In seconds: a rule decides at once, a reviewer takes minutes or days. */
const decisionBuckets = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800]
/** In seconds: a callback takes milliseconds, a lost one takes until the next poll, a retry takes minutes. */
const handlingBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30, 60, 300, 900, 3_600]

/** Metrics of one receiver, derived from its events where possible. */
export class Metrics {
  readonly #meter: Meter
  readonly #decision: Histogram
  readonly #handling: Histogram
  readonly #outcomes: Counter
  readonly #attempts: Counter
  readonly #parked: Counter
  readonly #refused: Counter
  readonly #pauses: Counter
  readonly #calls: Counter

  constructor(meter: Meter) {
    const histogram = (name: string, description: string, explicitBucketBoundaries: number[]): Histogram =>
      meter.createHistogram(`cheqpoint.${name}`, { unit: 's', description, advice: { explicitBucketBoundaries } })
    const counter = (name: string, unit: string, description: string): Counter =>
      meter.createCounter(`cheqpoint.${name}`, { unit: `{${unit}}`, description })
    this.#meter = meter
    this.#decision = histogram('decision.duration', 'From the submission to the decision', decisionBuckets)
    this.#handling = histogram('handling.duration', 'From the decision to its recorded completion', handlingBuckets)
    this.#outcomes = counter('outcomes', 'approval', 'Decisions that were handled')
    this.#attempts = counter('attempts', 'run', 'Runs of handlers that ended')
    this.#parked = counter('parked', 'approval', 'Approvals that were left to a person')
    this.#refused = counter('callbacks.refused', 'callback', 'Callbacks that were refused')
    this.#pauses = counter('api.pauses', 'pause', 'Times that nothing is asked of the API for a while')
    this.#calls = counter('api.calls', 'call', 'Calls of the API')
  }

  event(event: CheqpointEvent): void {
    switch (event.type) {
      case 'confirmed':
        record(this.#decision, event.decidedAfterMs, of(event, { 'cheqpoint.status': event.status }))
        break
      case 'completed':
        record(this.#handling, event.handledAfterMs, of(event, { 'cheqpoint.via': event.via }))
        this.#outcomes.add(1, of(event, { 'cheqpoint.status': event.status, 'cheqpoint.via': event.via }))
        break
      case 'run-succeeded':
        this.#attempts.add(1, of(event, { 'cheqpoint.result': 'succeeded' }))
        break
      case 'run-failed':
        this.#attempts.add(1, of(event, { 'cheqpoint.result': event.timedOut ? 'timed-out' : 'failed' }))
        break
      case 'parked':
        this.#parked.add(1, of(event, { 'cheqpoint.reason': event.reason }))
        break
      case 'refused':
        this.#refused.add(1, { 'cheqpoint.reason': event.reason })
        break
      case 'paused':
        this.#pauses.add(1, event.assistant === null ? {} : { 'cheqpoint.assistant': event.assistant })
    }
  }

  /** Counts one API call. `error` is the reason of a failure. */
  call(call: 'confirm' | 'submit', error?: string): void {
    this.#calls.add(1, { 'cheqpoint.call': call, ...(error === undefined ? {} : { 'error.type': error }) })
  }

  /** Reports the counts at each collection, until the returned function is called. */
  observe(count: () => Promise<StoreCounts>): () => void {
    const gauge = (name: string, unit: string, description: string) =>
      this.#meter.createObservableGauge(`cheqpoint.store.${name}`, { unit, description })
    const open = gauge('open', '{entry}', 'Entries that are due now or later')
    const parked = gauge('parked', '{approval}', 'Approvals that wait for a person')
    const overdue = gauge('overdue', 's', 'How long the oldest due entry has been waiting')
    const callback: Parameters<Meter['addBatchObservableCallback']>[0] = async (result) => {
      // If the store fails, no value is reported: a gap shows the outage.
      const found = await count().catch(() => null)
      if (found === null) return
      result.observe(open, found.open)
      result.observe(parked, found.parked)
      result.observe(overdue, found.overdueMs / 1000)
    }
    const all = [open, parked, overdue]
    this.#meter.addBatchObservableCallback(callback, all)
    return () => this.#meter.removeBatchObservableCallback(callback, all)
  }
}

function of({ action }: { readonly action: string }, labels: Attributes): Attributes {
  return { 'cheqpoint.action': action, ...labels }
}

function record(histogram: Histogram, ms: number | null, labels: Attributes): void {
  if (ms !== null) histogram.record(ms / 1000, labels)
}
