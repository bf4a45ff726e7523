import type { Clock, Random } from '../util/clock.js'
import type { Rule } from './api.js'
import type { ApiCall } from './calls.js'
import type { Callback, CallbackAnswer, Delivery } from './deliveries.js'
import type { Faults } from './faults.js'
import type { KeyOptions } from './keys.js'
import type { DecisionInput, SimulatedRequest } from './requests.js'

/** What `createSimulator` takes. */
export interface SimulatorOptions extends KeyOptions {
  /** Where dates come from, and the age of decisions. Timers are the process's own. */
  readonly clock?: Clock | undefined
  /** Where ids and the rate of faults come from. */
  readonly random?: Random | undefined
}

/** What changed, with the new view of it. */
export type Change =
  | { readonly type: 'request'; readonly request: SimulatedRequest }
  | { readonly type: 'delivery'; readonly delivery: Delivery }
  | { readonly type: 'call'; readonly call: ApiCall }

/** A local Cheqpoint. All it knows is in memory and grows until it is let go. */
export interface Simulator {
  /** What goes wrong on purpose. */
  readonly faults: Faults

  /** Responds to one request without a server, to ask it in a test or to mount it elsewhere. */
  fetch(request: Request): Promise<Response>

  /** Starts a server, once; on a free port and for this machine only unless told otherwise. */
  listen(port?: number, host?: string): Promise<{ readonly url: string; readonly port: number }>

  /**
   * Decides a request as a reviewer would, and sends the callback where one is due: the request named a URL, and is
   * not held open for an inline answer. The first decision stands; throws `argument-invalid` on a second, on an
   * unknown id, and on a decision that is none.
   */
  decide(id: string, decision: DecisionInput): SimulatedRequest

  /** Decides requests at their submission from now on; `null` leaves all to reviewers again. */
  rule(rule: Rule | null): void

  /** Requests in the order of their submission, only those of one status where it is named. */
  list(filter?: { readonly status?: string | undefined }): readonly SimulatedRequest[]

  /** Every attempt to deliver a callback, oldest first. */
  deliveries(): readonly Delivery[]

  /** Every API call, oldest first. */
  requests(): readonly ApiCall[]

  /** Sends the callback of a decided request once more, past all faults. Rejects with `argument-invalid` where there is none. */
  redeliver(id: string): Promise<CallbackAnswer>

  /** Sends any callback to anywhere, past all faults: a forged one, an old one, one for an id that never was. */
  sendCallback(callback: Callback): Promise<CallbackAnswer>

  /** Resolves when no callback is under way or waits for its time. */
  settled(): Promise<void>

  /** Calls the listener at each change, until the returned function is called. What it throws harms nothing. */
  subscribe(listener: (change: Change) => void): () => void

  /** Ends held submissions, callbacks and sockets. What is known stays readable. Idempotent. */
  close(): Promise<void>
}
