import type { Clock, Random } from '../util/clock.js'
import type { Rule } from './api.js'
import type { ApiCall } from './calls.js'
import type { Callback, CallbackAnswer, Delivery } from './deliveries.js'
import type { Faults } from './faults.js'
import type { KeyOptions } from './keys.js'
import type { DecisionInput, SimulatedRequest } from './requests.js'

/** Options of `createSimulator`. */
export interface SimulatorOptions extends KeyOptions {
  /** Source of dates and of the age of decisions. Timers are the process's own. */
  readonly clock?: Clock | undefined
  /** Source of ids and of the share of faults. */
  readonly random?: Random | undefined
}

/** A change, with a new snapshot of the changed item. */
export type Change =
  | { readonly type: 'request'; readonly request: SimulatedRequest }
  | { readonly type: 'delivery'; readonly delivery: Delivery }
  | { readonly type: 'call'; readonly call: ApiCall }

/** A local Cheqpoint. It keeps all data in memory and never discards any. */
export interface Simulator {
  /** Simulated faults. */
  readonly faults: Faults

  /**
   * Responds to one request without a server, for tests or to mount it in another server. Like every method, it refuses
   * wrong arguments with `argument-invalid`.
   */
  fetch(request: Request): Promise<Response>

  /** Starts a server, once. Default: a free port, on the loopback interface. */
  listen(port?: number, host?: string): Promise<{ readonly url: string; readonly port: number }>

  /**
   * Decides a request as a reviewer would. Sends the callback if the request named a URL and is not held open for an
   * inline response. Throws `argument-invalid` on a second decision, an unknown id or an invalid decision.
   */
  decide(id: string, decision: DecisionInput): SimulatedRequest

  /** Decides new requests at their submission; `null` leaves them to reviewers again. Throws `argument-invalid`. */
  rule(rule: Rule | null): void

  /** Returns requests in the order of submission, all or those of one status. */
  list(filter?: { readonly status?: string | undefined }): readonly SimulatedRequest[]

  /** Returns every attempt to deliver a callback, oldest first. */
  deliveries(): readonly Delivery[]

  /** Returns every API call, oldest first. */
  requests(): readonly ApiCall[]

  /** Sends a decided request's callback again, without faults. Rejects with `argument-invalid` if there is none. */
  redeliver(id: string): Promise<CallbackAnswer>

  /** Sends any callback to any URL, without faults: a forged one, an old one, or one for an unknown id. */
  sendCallback(callback: Callback): Promise<CallbackAnswer>

  /** Resolves when no callback is in progress or scheduled. */
  settled(): Promise<void>

  /** Calls the listener at each change, until the returned function is called. Errors of the listener are ignored. */
  subscribe(listener: (change: Change) => void): () => void

  /** Ends held submissions, callbacks and sockets. The data stays readable. Idempotent. */
  close(): Promise<void>
}
