import { type ApprovedDecision, CheqpointError, type RefusedDecision, type Run } from '../index.js'

/** What {@link fakeDecision} takes for an approval: the details, and any other field that the test depends on. */
export type FakeApproval<Details, Context> = Pick<ApprovedDecision<Details>, 'details'> &
  Partial<ApprovedDecision<Details, Context>>

/** What {@link fakeDecision} takes for a refusal: the status, and any other field that the test depends on. */
export type FakeRefusal<Context> = Pick<RefusedDecision, 'status'> & Partial<RefusedDecision<Context>>

/**
 * Creates a decision to test a handler without a receiver. With `details` it is approved; with a `status` it is
 * rejected or expired. Types are inferred from the handler that it is passed to. Defaults: approval `req_1` of the
 * action `test`, details as submitted, no edit, note or context, decided now, found by callback.
 *
 * @example
 * ```ts
 * await onDecision(fakeDecision({ details: { orderId: '8842', amount: 120 } }), fakeRun())
 * ```
 */
export function fakeDecision<Details, Context = null>(
  given: FakeApproval<Details, Context>,
): ApprovedDecision<Details, NoInfer<Context>>
export function fakeDecision<Context = null>(given: FakeRefusal<Context>): RefusedDecision<NoInfer<Context>>
export function fakeDecision(given: FakeApproval<unknown, unknown> | FakeRefusal<unknown>): unknown {
  const { status = 'approved' }: { readonly status?: unknown } = Object(given)
  const isRefusal = status === 'rejected' || status === 'expired'
  // Test runners do not check types.
  if ('details' in Object(given) ? status !== 'approved' : !isRefusal) {
    const fix = '{ details } for an approval, or { status } for a refusal'
    throw new CheqpointError('argument-invalid', `fakeDecision() takes ${fix}`)
  }
  const approval = 'details' in given ? { status, changedPaths: [], originalDetails: given.details } : {}
  const base = { approvalId: 'req_1', action: 'test', originalDetails: {}, modifiedDetails: null, note: null }
  return { ...base, decidedAt: new Date(), context: null, via: 'callback', ...approval, ...given }
}

/**
 * Creates the second argument of a handler: the first attempt of approval `req_1`, with a signal that never aborts.
 * `given` overrides any field. `completeIn` rejects with `argument-invalid`, since no store has this run.
 */
export function fakeRun(given: Partial<Run> = {}): Run {
  return { attempt: 1, fence: 1, idempotencyKey: 'cheqpoint:req_1', signal: new AbortController().signal, ...given }
}
