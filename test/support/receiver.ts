import {
  type CheqpointEvent,
  createReceiver,
  type Decision,
  type ReceiverOptions,
  type Run,
  type TypedReceiver,
} from '../../src/index.js'
import { FakeApi } from './fake-api.js'
import { sharedStore } from './overlay-store.js'

export interface Bench {
  readonly receiver: TypedReceiver
  readonly api: FakeApi
  /** What the handler was given, in order. */
  readonly runs: { readonly decision: Decision; readonly run: Run }[]
  readonly events: CheqpointEvent[]
  readonly eventTypes: () => readonly string[]
}

/** A receiver on a fake API and a memory store, its handler recording what it is given. */
export function bench(options: Partial<ReceiverOptions> = {}): Bench {
  const api = new FakeApi()
  const runs: { decision: Decision; run: Run }[] = []
  const events: CheqpointEvent[] = []
  const { onDecision, ...rest } = options
  const receiver = createReceiver({
    apiKey: 'cq_live_test',
    dispatcher: api,
    onEvent: (event) => events.push(event),
    onDecision: (decision, run) => {
      runs.push({ decision, run })
      return onDecision?.(decision, run)
    },
    ...rest,
    ...(rest.sweep === 'elsewhere' ? { store: sharedStore(rest.store, rest.clock) } : {}),
  })
  return { receiver, api, runs, events, eventTypes: () => events.map(({ type }) => type) }
}

export const refund = { action: 'process_refund', details: { orderId: '8842', amount: 120 } } as const
