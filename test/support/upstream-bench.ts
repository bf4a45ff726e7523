import { onTestFinished } from 'vitest'
import { memoryStore, type ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from './callback.js'
import { type Bench, bench, refund } from './receiver.js'
import { FaultyStore } from './runs-store.js'

export interface UpstreamBench extends Omit<Bench, 'api'> {
  readonly faulty: FaultyStore
  /** Sends a genuine callback for `req_1`; `parts` override it. */
  readonly send: (parts?: Parameters<typeof callbackRequest>[1]) => Promise<Response>
  /** Store methods called since `req_1` was tracked. */
  readonly calls: () => readonly string[]
}

/** A receiver that tracks `req_1` and polls the API at this URL over real connections. Closed when the test ends. */
export async function upstreamBench(url: string, options: Partial<ReceiverOptions> = {}): Promise<UpstreamBench> {
  const faulty = new FaultyStore(options.store ?? memoryStore())
  const { api: _unused, ...made } = bench({
    baseUrl: url,
    dispatcher: undefined,
    sweep: 'elsewhere',
    ...options,
    store: faulty.store,
  })
  onTestFinished(() => made.receiver.close({ drainMs: 0 }))
  await made.receiver.track('req_1', refund)
  const before = faulty.calls.length
  return {
    ...made,
    faulty,
    send: (parts) => made.receiver.fetch(callbackRequest('req_1', parts)),
    calls: () => faulty.calls.slice(before).map(({ method }) => method),
  }
}

/** The API's response for `req_1`. */
export function answerBody(fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ id: 'req_1', status: 'APPROVED', modifiedDetails: null, decisionNote: null, ...fields })
}
