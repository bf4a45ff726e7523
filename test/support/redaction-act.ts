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

/** An operation of a receiver, and its result. */
export interface Act {
  readonly name: string
  readonly options?: Partial<ReceiverOptions>
  readonly run: (bench: RedactionBench) => unknown
  /** Code of the error; `own error`: the store's error, passed on; `null`: no error. */
  readonly ends: ErrorCode | 'own error' | null
  /** Needs more store time than a server can be advanced by. */
  readonly memoryOnly?: true
}

export const withToken: Partial<ReceiverOptions> = { callbackUrl, callbackSecret }
/** The reviewer's edit and note. */
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

/** Advances the time during an operation, and settles as it does. */
export async function meanwhile(bench: RedactionBench, work: Promise<unknown>, ms: number): Promise<unknown> {
  const ended = Promise.allSettled([work])
  await bench.pass(ms)
  await ended
  return work
}
