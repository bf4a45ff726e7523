import {
  type CheqpointEvent,
  createReceiver,
  type Decision,
  memoryStore,
  type ReceiverOptions,
  type Store,
  type Tracked,
  type TypedReceiver,
} from '../../src/index.js'
import { type Snapshot, snapshotOf } from './approval-snapshot.js'
import { callbackRequest } from './callback.js'
import { canaries } from './canaries.js'
import { FakeApi } from './fake-api.js'
import { FaultyStore } from './runs-store.js'
import { pass } from './runs-time.js'

export { canaries, canary } from './canaries.js'

export const id = 'req_1'
export const action = 'process_refund'

export const details: { readonly orderId: string; readonly amount: number } = {
  orderId: `order-${canaries.details}`,
  amount: 120,
}
export const tracked: Pick<Tracked, 'action' | 'context'> & { readonly details: object } = {
  action,
  details,
  context: { tenant: `tenant-${canaries.context}` },
}
export const callbackSecret: string = `secret-${canaries.callbackSecret}`
export const callbackUrl = 'https://app.test/webhooks/cheqpoint'

export interface AnswersBench {
  readonly receiver: TypedReceiver
  readonly api: FakeApi
  /** The store itself; the receiver uses it through `faulty`. */
  readonly store: Store
  readonly faulty: FaultyStore
  /** What the handler for all actions was given, in order. */
  readonly runs: Decision[]
  readonly events: CheqpointEvent[]
  /** Sends a callback as Cheqpoint does for {@link id}; `parts` override it. */
  readonly send: (parts?: Parameters<typeof callbackRequest>[1], approvalId?: string) => Promise<Response>
  readonly snapshot: (approvalId?: string) => Promise<Snapshot | null>
  /** Advances the time. */
  readonly pass: (ms: number) => Promise<void>
  /** Resets the records of API calls, runs and events. */
  readonly forget: () => void
}

/** Creates a receiver full of canaries. It has no fallback handler if `onDecision` is given as `undefined`. */
export function answersBench<Api extends FakeApi = FakeApi>(
  options: Partial<ReceiverOptions> = {},
  store: Store = memoryStore(),
  // A test can override it.
  api: Api = new FakeApi() as Api,
): AnswersBench & { readonly api: Api } {
  const faulty = new FaultyStore(store)
  const runs: Decision[] = []
  const events: CheqpointEvent[] = []
  const handles = !('onDecision' in options) || options.onDecision !== undefined
  const receiver = createReceiver({
    apiKey: `cq_live_${canaries.key}`,
    store: faulty.store,
    dispatcher: api,
    random: () => 0.5,
    onEvent: (event) => {
      // Every receiver without a sweep emits it.
      if (event.type !== 'not-sweeping') events.push(event)
    },
    ...options,
    onDecision: handles
      ? (decision, run) => {
          runs.push(decision)
          return options.onDecision?.(decision, run)
        }
      : undefined,
  })
  return {
    receiver,
    api,
    store,
    faulty,
    runs,
    events,
    send: (parts, approvalId = id) => receiver.fetch(callbackRequest(approvalId, parts)),
    snapshot: (approvalId = id) => snapshotOf(store, approvalId),
    pass,
    forget() {
      for (const list of [api.gets, runs, events]) list.length = 0
    },
  }
}
