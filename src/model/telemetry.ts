import type { DecisionStatus, Via } from './decision.js'
import type { CheqpointEvent } from './events.js'

/**
 * Work that a trace shows, and what it may show of it beforehand. `send` is the call of the API within a submission: it is
 * counted, and has no span of its own.
 */
export type Work = Readonly<
  | { kind: 'submit'; action: string }
  | { kind: 'send' }
  | { kind: 'callback' | 'confirm' | 'sweep'; approvalId: string }
  | {
      kind: 'run'
      approvalId: string
      action: string
      status: DecisionStatus
      via: Via
      attempt: number
      fence: number
      /** What {@link Telemetry.traceContext} gave when the request was submitted; `null` where it gave nothing. */
      trace: string | null
    }
>

/** What a trace may show of the end of work: the status of a submission or of a response, the kind of an outcome. */
export interface Ended {
  readonly kind?: string | undefined
  readonly status?: string | undefined
  readonly approvalId?: string | undefined
}

/** How much waits in a store. */
export interface Waiting {
  readonly open: number
  readonly parked: number
  /** How long the oldest due entry has been waiting, in milliseconds. */
  readonly overdueMs: number
}

/** Shows what a receiver does to the outside. None of its methods throws by itself. */
export interface Telemetry {
  /** Calls `work` once and at once, in the asynchronous context of its span, and passes on what becomes of it. */
  during<Value extends Ended>(work: Work, call: () => Promise<Value>): Promise<Value>
  /** The trace that is under way, to be kept with a request: at most 512 characters; `undefined` where there is none. */
  traceContext(): string | undefined
  /** Hears each event. */
  event(event: CheqpointEvent): void
  /** Reads how much waits at each collection of metrics, until the returned function is called. */
  observe(count: () => Promise<Waiting>): () => void
}
