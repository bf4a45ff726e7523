import type {
  ErrorCode,
  JsonObject,
  ReceiverOptions,
  Submission,
  SubmitOptions,
  SubmitRequest,
} from '../../src/index.js'
import { action, callbackSecret, callbackUrl, canaries, details, id, tracked } from './answers-bench.js'
import type { RedactionBench } from './redaction-bench.js'

/** Something that is done with a receiver by whoever holds it, and how that ends. */
export interface Act {
  readonly name: string
  readonly options?: Partial<ReceiverOptions>
  readonly run: (bench: RedactionBench) => unknown
  /** Code of the error; `own error`: the store's, handed on; `null`: it does not fail. */
  readonly ends: ErrorCode | 'own error' | null
  /** It needs more time of the store than can be made to pass for a server. */
  readonly memoryOnly?: true
}

export const withToken: Partial<ReceiverOptions> = { callbackUrl, callbackSecret }
/** What a reviewer makes of the details, and says. */
export const edit: JsonObject = { ...details, orderId: canaries.edit }
export const verdict: JsonObject = { decisionNote: canaries.note, modifiedDetails: edit }

/** Submits a request that is full of canaries. */
export function submit(
  { receiver }: RedactionBench,
  change: Partial<SubmitRequest> = {},
  options: SubmitOptions = {},
): Promise<Submission> {
  const request = { action, summary: 'Refund', details, justification: canaries.details, ...change }
  return receiver.submit(request, { context: tracked.context, ...options })
}

/** Follows a request that is full of canaries. */
export async function track({ receiver }: RedactionBench): Promise<void> {
  await receiver.track(id, tracked)
}

/** Lets time pass while something is under way, and ends as that does. */
export async function meanwhile(bench: RedactionBench, work: Promise<unknown>, ms: number): Promise<unknown> {
  const ended = Promise.allSettled([work])
  await bench.pass(ms)
  await ended
  return work
}
