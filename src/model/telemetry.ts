import type { DecisionStatus, Via } from './decision.js'
import type { CheqpointEvent } from './events.js'
import type { StoreCounts } from './store-counts.js'

/**
 * Work that a trace shows, with its attributes at the start. `send` is the API call of a submission: it is counted, and
 * has no span of its own.
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

/** What a trace shows at the end of work: the status of a submission or response, the kind of an outcome. */
export interface Ended {
  readonly kind?: string | undefined
  readonly status?: string | undefined
  readonly approvalId?: string | undefined
}

/** Observes a receiver. None of its methods throws by itself. */
export interface Telemetry {
  /** Runs `call` once, at once, in the asynchronous context of the span of `work`, and returns its promise. */
  during<Value extends Ended>(work: Work, call: () => Promise<Value>): Promise<Value>
  /** The current trace, to be kept with a request: at most 512 characters; `undefined` if there is none. */
  traceContext(): string | undefined
  /** Called with each event. */
  event(event: CheqpointEvent): void
  /** Calls `count` at each collection of metrics, until the returned function is called. */
  observe(count: () => Promise<StoreCounts>): () => void
}

/** What a receiver without telemetry works with. */
export const noTelemetry: Telemetry = {
  during: (_, call) => call(),
  traceContext: () => undefined,
  event() {},
  observe: () => () => {},
}
