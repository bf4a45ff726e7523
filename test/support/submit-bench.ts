import type { Dispatcher } from 'undici'
import {
  type CheqpointError,
  type CheqpointEvent,
  createReceiver,
  type Decision,
  isCheqpointError,
  memoryStore,
  type ReceiverOptions,
  type Run,
  type Store,
  type TypedReceiver,
} from '../../src/index.js'
import { type FakeAnswer, FakeApi } from './fake-api.js'
import { overlayStore } from './overlay-store.js'
import { stepOf } from './store-steps.js'

/** One submission as sent. */
export interface Post {
  readonly path: string
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
  readonly key: string
}

/** A fake API that also accepts submissions: by default each is pending, as `req_1`, `req_2` and so on. */
export class SubmitApi extends FakeApi {
  readonly posts: Post[] = []
  /** Submissions and recorded store calls, in order. */
  readonly steps: string[] = []
  /** The response to a submission. */
  onPost: (post: Post, id: string) => FakeAnswer | 'hang' = (_post, id) => pendingPost(id)

  /** Polled ids, in order. */
  get asked(): readonly string[] {
    return this.gets.filter((path) => path.startsWith('/api/approvals/')).map((path) => path.split('/').at(-1) ?? '')
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (options.method !== 'POST') return super.dispatch(options, handler)
    this.steps.push('POST')
    const number = this.posts.length + 1
    const at = this.keys.length
    const text = String(options.body)
    const sent = super.dispatch({ ...options, path: `${options.path}/${number}` }, handler)
    const post = { path: options.path, text, body: JSON.parse(text), key: this.keys[at] ?? '' }
    this.posts.push(post)
    this.answer(String(number), () => {
      const answer = this.onPost(post, `req_${number}`)
      if (answer !== 'hang') this.steps.push('POST answered')
      return answer
    })
    return sent
  }
}

/** The documented response to an undecided submission. */
export function pendingPost(id: string): FakeAnswer {
  return { body: { status: 'pending', approvalId: id, reviewUrl: `https://app.cheqpoint.co/review/${id}` } }
}

/** The documented response to a submission that was decided at once. */
export function decidedPost(id: string, status: string, modifiedDetails: object | null = null): FakeAnswer {
  return { body: { status, approvalId: id, modifiedDetails } }
}

/** Wraps `store` and records the kind of each write, and when it settled. */
export function noted(store: Store, steps: string[]): Store {
  return overlayStore(store, {
    async write(key, expected, entry, options) {
      const { entry: before } = await store.read(key)
      const step = stepOf(key, before, entry)
      steps.push(step)
      const answer = await store.write(key, expected, entry, options)
      steps.push(`${step} answered`)
      return answer
    },
  })
}

export interface SubmitBench {
  readonly receiver: TypedReceiver
  readonly api: SubmitApi
  /** What the handler was given, in order. */
  readonly runs: { readonly decision: Decision; readonly run: Run }[]
  readonly events: CheqpointEvent[]
  readonly types: () => readonly string[]
}

/** A receiver that submits to a fake API, with a store whose calls are recorded there. */
export function submitBench(options: Partial<ReceiverOptions> = {}, api: SubmitApi = new SubmitApi()): SubmitBench {
  const runs: { decision: Decision; run: Run }[] = []
  const events: CheqpointEvent[] = []
  const { onDecision, store = memoryStore(), ...rest } = options
  const receiver = createReceiver({
    ...(options.apiKeys === undefined ? { apiKey: 'cq_live_test' } : {}),
    dispatcher: api,
    store: noted(store, api.steps),
    sweep: 'elsewhere',
    onEvent: (event) => events.push(event),
    onDecision: (decision, run) => {
      runs.push({ decision, run })
      return onDecision?.(decision, run)
    },
    ...rest,
  })
  return { receiver, api, runs, events, types: () => events.map(({ type }) => type) }
}

export const refund = {
  action: 'process_refund',
  summary: 'Refund $120 for order #8842',
  details: { orderId: '8842', amount: 120 },
} as const

/** The same request as `track` takes it. */
export const tracked = { action: 'process_refund', details: { orderId: '8842', amount: 120 } } as const

export const webhook = 'https://app.test/webhooks/cheqpoint'
export const callbackSecret = 'a secret of the submit tests'

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<CheqpointError> {
  const error: unknown = await promise.then(
    () => new Error('it was expected to fail'),
    (reason: unknown) => reason,
  )
  if (!isCheqpointError(error)) throw error
  return error
}
