import type { Dispatcher } from 'undici'
import { canaries, id } from './answers-bench.js'
import { failingDispatcher, storeError, wireError } from './answers-situations.js'
import { callbackRequest } from './callback.js'
import { type Act, edit, meanwhile, submit, track, withToken } from './redaction-act.js'
import { decidedPost, pendingPost } from './submit-bench.js'

/** For an exchange that has begun. */
const controller: Dispatcher.DispatchController = {
  aborted: false,
  reason: null,
  paused: false,
  abort() {},
  pause() {},
  resume() {},
}
const upstreamError = { error: canaries.upstream }
const location = `https://${canaries.upstream}@evil.test/${canaries.upstream}?${canaries.upstream}#${canaries.upstream}`

const answered = [
  ...[400, 401, 402, 403, 404, 405, 413, 415, 422, 429].map((status) => [status, 'submission-refused'] as const),
  ...[301, 302, 307, 308, 409, 500, 502, 503].map((status) => [status, 'submission-unknown'] as const),
].map(
  ([status, ends]): Act => ({
    name: `submit, answered with ${status}`,
    options: withToken,
    ends,
    run(bench) {
      bench.api.onPost = () => ({ status, headers: { location, 'x-request': location }, body: upstreamError })
      return submit(bench)
    },
  }),
)

const unreadable = (
  [
    ['a page', `<h1>${canaries.upstream}</h1>`],
    ['a text', canaries.upstream],
    ['half a document', `{"status":"pending","note":"${canaries.upstream}`],
    ['no id', { status: 'pending', note: canaries.upstream }],
    ['an id that is a path', { status: 'pending', approvalId: `../${canaries.upstream}` }],
    ['an edit that is a text', { status: 'approved', approvalId: id, modifiedDetails: canaries.upstream }],
  ] as const
).map(
  ([what, body]): Act => ({
    name: `submit, answered with ${what}`,
    options: withToken,
    ends: 'submission-unknown',
    run(bench) {
      bench.api.onPost = () => ({ body })
      return submit(bench)
    },
  }),
)

const unanswered: readonly Act[] = [
  {
    name: 'submit, never answered',
    options: withToken,
    ends: 'submission-unknown',
    run(bench) {
      bench.api.onPost = () => 'hang'
      return meanwhile(bench, submit(bench), 15_000)
    },
  },
  {
    name: 'submit, broken off',
    options: {
      ...withToken,
      dispatcher: failingDispatcher((handler) => {
        handler.onRequestStart?.(controller, {})
        handler.onResponseError?.(controller, wireError())
      }),
    },
    ends: 'submission-unknown',
    run: submit,
  },
  {
    name: 'submit, never sent',
    options: {
      ...withToken,
      dispatcher: failingDispatcher(() => {
        throw wireError()
      }),
    },
    ends: 'submission-refused',
    run: submit,
  },
]

const taken: readonly Act[] = [
  { name: 'submit, pending', options: withToken, ends: null, run: (bench) => submit(bench) },
  {
    name: 'submit, approved at once with an edit, and it has a result',
    options: { ...withToken, onDecision: () => ({ receipt: canaries.result }) },
    ends: null,
    run(bench) {
      bench.api.onPost = (_, each) => decidedPost(each, 'approved', edit)
      return submit(bench)
    },
  },
  {
    name: 'submit, approved at once, and the handler throws',
    options: { ...withToken, onDecision: () => Promise.reject(new Error(canaries.handlerError)) },
    ends: null,
    run(bench) {
      bench.api.onPost = (_, each) => decidedPost(each, 'approved', edit)
      return submit(bench)
    },
  },
  {
    name: 'submit, twice under one key while the first may still be under way',
    options: withToken,
    ends: 'submission-in-progress',
    async run(bench) {
      bench.api.onPost = () => ({ status: 500, body: upstreamError })
      await submit(bench, {}, { idempotencyKey: 'step 1' }).catch(() => {})
      await submit(bench, {}, { idempotencyKey: 'step 1' })
    },
  },
  {
    name: 'submit, twice under one key while the first is lost',
    options: withToken,
    ends: 'submission-unknown',
    memoryOnly: true,
    async run(bench) {
      bench.api.onPost = () => ({ status: 500, body: upstreamError })
      await submit(bench, {}, { idempotencyKey: 'step 1' }).catch(() => {})
      await bench.pass(60_000)
      await submit(bench, {}, { idempotencyKey: 'step 1' })
    },
  },
  {
    name: 'submit, while the id belongs to another request',
    options: withToken,
    ends: 'submission-unknown',
    async run(bench) {
      await track(bench)
      await submit(bench)
    },
  },
  {
    name: 'submit, lost, found by its callback and parked',
    options: withToken,
    ends: null,
    memoryOnly: true,
    async run(bench) {
      bench.api.onPost = () => ({ status: 500, body: upstreamError })
      await submit(bench).catch(() => {})
      const url = String(bench.api.posts[0]?.body['callbackUrl'])
      bench.api.approve('req_7', { decisionNote: canaries.note, modifiedDetails: edit, decidedAt: new Date() })
      await bench.receiver.fetch(callbackRequest('req_7', { url }))
      await bench.pass(60_000)
      await bench.receiver.reconcile()
      await bench.receiver.parked()
    },
  },
]

const storeFails: readonly Act[] = [
  {
    name: 'submit, while the store fails to keep it',
    options: withToken,
    ends: 'store-unavailable',
    run(bench) {
      bench.faulty.failWith(storeError(), 'write')
      return meanwhile(bench, submit(bench), 10_000)
    },
  },
  {
    name: 'submit, while the store fails to keep its id',
    options: withToken,
    ends: 'submission-unknown',
    memoryOnly: true,
    run(bench) {
      bench.api.onPost = (_, each) => {
        bench.faulty.failWith(storeError(), 'write')
        return pendingPost(each)
      }
      return meanwhile(bench, submit(bench), 10_000)
    },
  },
  {
    name: 'submit, refused, while the store fails to forget it',
    options: withToken,
    ends: 'submission-refused',
    memoryOnly: true,
    run(bench) {
      bench.api.onPost = () => {
        bench.faulty.failWith(storeError(), 'write')
        return { status: 400, body: upstreamError }
      }
      return meanwhile(bench, submit(bench), 10_000)
    },
  },
]

/** All outcomes of a submission. */
export const submissions: readonly Act[] = [...answered, ...unreadable, ...unanswered, ...taken, ...storeFails]
