import type { Dispatcher } from 'undici'
import { expect } from 'vitest'
import { z } from 'zod'
import type { Callback, ReceiverOptions } from '../../src/index.js'
import {
  type AnswersBench,
  action,
  answersBench,
  callbackSecret,
  callbackUrl,
  canaries,
  details,
  id,
  tracked,
} from './answers-bench.js'
import { addApproval, addReservation } from './approval-snapshot.js'
import { callbackRequest } from './callback.js'

/** One row of the table: the situation at a callback, and all of its effects. */
export interface Situation {
  readonly name: string
  /** Status with and without a sweep. */
  readonly answers: readonly [swept: number, alone: number]
  readonly word: string
  /** Seconds of Retry-After, if the response is an error. */
  readonly retryAfter?: string
  /** Number of GETs and runs, and types of the events. Default: none. */
  readonly gets?: number
  readonly runs?: number
  readonly events?: readonly string[]
  /** Number of store calls; given only if there must be none. */
  readonly storeCalls?: 0
  /** Parts of the stored entry afterwards. */
  readonly record: object
  readonly options?: Partial<ReceiverOptions>
  /** Default: by `track`. */
  readonly register?: (bench: AnswersBench) => unknown
  readonly before?: (bench: AnswersBench) => unknown
  readonly send?: (bench: AnswersBench) => Promise<Response>
}

const untouched = { state: 'pending', fence: 0, attempts: 0, decision: null, dueInMs: 12_345 }
/** Released undecided: the callback gets a poll at the end of the minimum interval. */
const released = { state: 'pending', fence: 1, attempts: 0, decision: null, dueInMs: 2_000 }
const ran = ['confirmed', 'run-started', 'run-succeeded', 'completed']
/** For an exchange that failed before it had a controller. */
const noController = undefined as unknown as Dispatcher.DispatchController
const amount = z.object({ orderId: z.string(), amount: z.number() })
const withToken = { callbackUrl, callbackSecret }
/** In unreadable responses. */
const upstreamNote = { decisionNote: canaries.upstream }
const throttled = { status: 429, headers: { 'retry-after': '120' }, body: { error: canaries.upstream } }

/** Recorded without an attempt, and due at once. */
const recorded = {
  ...{ state: 'pending', attempts: 0, dueInMs: 0 },
  decision: expect.objectContaining({ status: 'approved' }),
}
/** A receiver with one run slot, which another approval uses. */
const oneHandler = {
  options: { runs: { concurrency: 1 }, onDecision: () => new Promise(() => {}) },
  async before({ api, receiver, send, pass, forget }: AnswersBench): Promise<void> {
    api.approve('req_0')
    await receiver.track('req_0', tracked)
    void send({}, 'req_0') // it hangs
    await pass(0)
    api.approve(id)
    forget()
  },
} satisfies Partial<Situation>

const handled: readonly Situation[] = [
  {
    name: 'approved',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: ran,
    record: { state: 'completed', outcome: 'approved' },
    options: { onDecision: () => ({ receipt: canaries.result }) },
    before: ({ api }) => api.approve(id, { decisionNote: canaries.note }),
    send: ({ send }) =>
      send({ body: { approvalId: id, status: 'approved', modifiedDetails: null, decisionNote: canaries.note } }),
  },
  {
    name: 'rejected',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: ran,
    record: { state: 'completed', outcome: 'rejected' },
    before: ({ api }) => api.reject(id, { decisionNote: canaries.note }),
    send: ({ send }) => send({ body: { approvalId: id, status: 'rejected' } }),
  },
  {
    name: 'approved, but after it had expired',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: ['late', ...ran],
    record: { state: 'completed', outcome: 'expired' },
    before: ({ api }) => api.approve(id, { decidedAt: '2026-11-28T10:00:00.000Z' }),
    send: ({ send }) => send({ body: { approvalId: id } }),
  },
  {
    name: 'handled before',
    answers: [200, 200],
    word: 'handled',
    events: ['duplicate'],
    record: { state: 'completed' },
    async before({ api, send, forget }) {
      api.approve(id)
      await send()
      forget()
    },
  },
  {
    name: 'cancelled before by an operator',
    answers: [200, 200],
    word: 'handled',
    events: ['duplicate'],
    record: { state: 'completed', outcome: 'cancelled' },
    before: ({ receiver }) => receiver.cancel(id),
  },
  {
    name: 'rejected, while the callback claims an approval',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: [...ran, 'mismatch'],
    record: { state: 'completed', outcome: 'rejected' },
    before: ({ api }) => api.reject(id),
  },
  {
    name: 'approved, while the callback claims a rejection',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: [...ran, 'mismatch'],
    record: { state: 'completed', outcome: 'approved' },
    before: ({ api }) => api.approve(id),
    send: ({ send }) => send({ body: { approvalId: id, status: 'rejected', modifiedDetails: null } }),
  },
  {
    name: 'handled before, while the callback claims another edit',
    answers: [200, 200],
    word: 'handled',
    events: ['duplicate', 'mismatch'],
    record: { state: 'completed' },
    async before({ api, send, forget }) {
      api.approve(id)
      await send()
      forget()
    },
    send: ({ send }) => send({ body: { approvalId: id, status: 'approved', modifiedDetails: { amount: 1 } } }),
  },
]

const edits: readonly Situation[] = [
  {
    name: 'approved with an edit that does not pass the schema',
    answers: [200, 200],
    word: 'edit-refused',
    gets: 1,
    events: ['confirmed', 'parked'],
    record: { state: 'parked', reason: 'edit-invalid', note: '/amount', attempts: 1 },
    options: { actions: { [action]: { details: amount, onDecision: () => {} } } },
    before: ({ api }) => api.approve(id, { modifiedDetails: { orderId: canaries.edit, amount: canaries.edit } }),
    send: ({ send }) => send({ body: { approvalId: id, status: 'approved' } }),
  },
  {
    name: 'approved with an edit that lacks keys',
    answers: [200, 200],
    word: 'edit-refused',
    gets: 1,
    events: ['confirmed', 'parked'],
    record: { state: 'parked', reason: 'edit-ambiguous', note: '/orderId' },
    before: ({ api }) => api.approve(id, { modifiedDetails: { amount: canaries.edit } }),
    send: ({ send }) => send({ body: { approvalId: id, status: 'approved' } }),
  },
  {
    name: 'approved with an edit where edits are refused',
    answers: [200, 200],
    word: 'edit-refused',
    gets: 1,
    events: ['confirmed', 'parked'],
    record: { state: 'parked', reason: 'edit-refused' },
    options: { actions: { [action]: { modifications: 'refuse', onDecision: () => {} } } },
    before: ({ api }) => api.approve(id, { modifiedDetails: { ...details, orderId: canaries.edit } }),
    send: ({ send }) => send({ body: { approvalId: id, status: 'approved' } }),
  },
  {
    name: 'approved, but the submitted details no longer pass the schema',
    answers: [202, 202],
    word: 'parked',
    gets: 1,
    events: ['confirmed', 'parked'],
    record: { state: 'parked', reason: 'details-invalid', note: '/amount' },
    options: { actions: { [action]: { details: z.object({ amount: z.string() }), onDecision: () => {} } } },
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'approved, but the context no longer passes its schema',
    answers: [202, 202],
    word: 'parked',
    gets: 1,
    events: ['confirmed', 'parked'],
    record: { state: 'parked', reason: 'context-invalid', note: '/tenant' },
    options: { actions: { [action]: { context: z.object({ tenant: z.number() }), onDecision: () => {} } } },
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'parked before',
    answers: [202, 202],
    word: 'parked',
    record: { state: 'parked', reason: 'edit-ambiguous' },
    async before({ api, send, forget }) {
      api.approve(id, { modifiedDetails: {} })
      await send()
      forget()
    },
  },
]

const unconfirmed: readonly Situation[] = [
  {
    name: 'undecided',
    answers: [202, 409],
    word: 'undecided',
    retryAfter: '2',
    gets: 1,
    events: ['released'],
    record: released,
    before: ({ api }) => api.pend(id),
  },
  {
    name: 'in an undocumented status',
    answers: [202, 409],
    word: 'undecided',
    retryAfter: '2',
    gets: 1,
    events: ['unknown-status', 'released'],
    record: released,
    before: ({ api }) => api.answer(id, { body: { id, status: 'APPROVED_BY_AI' } }),
  },
  ...[404, 400, 409, 422, 500, 502, 503, 504, 301, 302, 303, 307, 308].map(
    (status): Situation => ({
      name: `answered by the API with ${status}`,
      answers: [202, 502],
      word: 'api-failed',
      retryAfter: '10',
      gets: 1,
      events: ['released'],
      record: released,
      before: ({ api }) =>
        api.answer(id, {
          status,
          headers: { location: `https://evil.test/${canaries.upstream}`, 'x-request': canaries.upstream },
          body: { error: canaries.upstream },
        }),
    }),
  ),
  ...(
    [
      ['HTML', `<h1>${canaries.upstream}</h1>`],
      ['half a document', `{"id":"${id}","decisionNote":"${canaries.upstream}","status":"APPR`],
      ['nothing', ''],
      ['a list', `[{"id":"${id}","status":"APPROVED","decisionNote":"${canaries.upstream}"}]`],
      ['no status', { id, ...upstreamNote }],
      ['a status that is no text', { id, status: 1, ...upstreamNote }],
      ['an edit that is a list', { id, status: 'APPROVED', modifiedDetails: [canaries.upstream] }],
      ['an edit that is a text', { id, status: 'APPROVED', modifiedDetails: canaries.upstream }],
      ['another id', { id: 'req_2', status: 'APPROVED', ...upstreamNote }],
      ['no id', { status: 'APPROVED', ...upstreamNote }],
      ['two ids that differ', { id, approvalId: 'req_2', status: 'APPROVED', ...upstreamNote }],
      [
        'a nesting bomb',
        `{"id":"${id}","status":"APPROVED","modifiedDetails":${'{"a":'.repeat(65)}1${'}'.repeat(65)}}`,
      ],
    ] as const
  ).map(
    ([what, body]): Situation => ({
      name: `answered by the API with ${what}`,
      answers: [202, 502],
      word: 'api-failed',
      retryAfter: '10',
      gets: 1,
      events: ['released'],
      record: released,
      before: ({ api }) => api.answer(id, { body }),
    }),
  ),
  {
    name: 'answered by the API with an unexpected encoding',
    answers: [202, 502],
    word: 'api-failed',
    retryAfter: '10',
    gets: 1,
    events: ['released'],
    record: released,
    before: ({ api }) =>
      api.answer(id, { headers: { 'content-encoding': 'gzip' }, body: { id, status: 'APPROVED', ...upstreamNote } }),
  },
  {
    name: 'answered by the API with a response that is too long',
    answers: [202, 502],
    word: 'api-failed',
    retryAfter: '10',
    gets: 1,
    events: ['released'],
    record: released,
    options: { confirm: { maxResponseBytes: 1_000 } },
    before: ({ api }) => api.approve(id, { decisionNote: canaries.upstream.repeat(100) }),
  },
  ...(
    [
      [
        'reset',
        (handler) => handler.onResponseError?.(noController, Object.assign(wireError(), { code: 'ECONNRESET' })),
      ],
      [
        'never made',
        () => {
          throw wireError()
        },
      ],
    ] satisfies [string, (handler: Dispatcher.DispatchHandler) => unknown][]
  ).map(
    ([what, fail]): Situation => ({
      name: `not answered by the API, the connection being ${what}`,
      answers: [202, 502],
      word: 'api-failed',
      retryAfter: '10',
      events: ['released'],
      record: released,
      options: { dispatcher: failingDispatcher(fail) },
    }),
  ),
  {
    name: 'not answered by the API in time',
    answers: [202, 502],
    word: 'api-failed',
    retryAfter: '10',
    gets: 1,
    events: ['released'],
    record: released,
    before: ({ api }) => api.answer(id, () => 'hang'),
    async send({ send, pass }) {
      const answer = send()
      await pass(5_000)
      return answer
    },
  },
  {
    name: 'answered by the API with 429',
    answers: [202, 503],
    word: 'api-throttled',
    retryAfter: '120',
    gets: 1,
    events: ['paused', 'released'],
    record: released,
    before: ({ api }) => api.answer(id, throttled),
  },
  {
    name: 'not polled, because the API throttles',
    answers: [202, 503],
    word: 'api-throttled',
    retryAfter: '117',
    record: { ...released, dueInMs: -3_000 },
    options: { confirm: { minIntervalMs: 0 } },
    async before({ api, send, pass, forget }) {
      api.answer(id, throttled)
      await send()
      await pass(3_000)
      forget()
    },
  },
  ...[401, 403].map(
    (status): Situation => ({
      name: `kept from us by the API, which refuses our key with ${status}`,
      answers: [202, 500],
      word: 'api-key-refused',
      gets: 1,
      events: status === 401 ? ['paused', 'api-key-refused', 'released'] : ['api-key-refused', 'released'],
      record: released,
      before: ({ api }) => api.answer(id, { status, body: { error: canaries.upstream } }),
    }),
  ),
  {
    name: 'of an assistant without a key here',
    answers: [202, 500],
    word: 'assistant-unknown',
    events: ['assistant-unknown'],
    record: untouched,
    options: { apiKey: undefined, apiKeys: { support: `cq_live_${canaries.key}` } },
    register: ({ store }) => addApproval(store, id, { assistant: 'billing' }, 12_345),
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'of an action without a handler here',
    answers: [202, 500],
    word: 'no-handler',
    events: ['no-handler'],
    record: untouched,
    options: { onDecision: undefined, actions: { other: { onDecision: () => {} } } },
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'over the budget of callbacks',
    answers: [202, 429],
    word: 'over-budget',
    retryAfter: '1',
    record: untouched,
    options: { confirm: { requestsPerSecond: 1 } },
    async before({ api, receiver, send, forget }) {
      api.pend('req_0')
      await receiver.track('req_0', tracked)
      await send({}, 'req_0')
      api.approve(id)
      forget()
    },
  },
  {
    name: 'over the budget of callbacks, and due only in an hour',
    answers: [202, 429],
    word: 'over-budget',
    retryAfter: '1',
    record: { ...untouched, dueInMs: 15_000 },
    options: { confirm: { requestsPerSecond: 1 }, polling: { firstMs: 3_600_000, maxMs: 3_600_000 } },
    async before({ api, receiver, send, forget }) {
      api.pend('req_0')
      await receiver.track('req_0', tracked)
      await send({}, 'req_0')
      api.approve(id)
      forget()
    },
  },
  {
    name: 'due while all poll slots are in use',
    answers: [202, 503],
    word: 'no-free-slot',
    retryAfter: '1',
    record: untouched,
    options: { polling: { concurrency: 1, firstMs: 12_345 } },
    async before({ api, receiver, send, pass, forget }) {
      api.answer('req_0', () => 'hang')
      await receiver.track('req_0', tracked)
      void send({}, 'req_0') // it hangs
      await pass(0)
      forget()
    },
  },
  {
    name: 'approved while all run slots are in use',
    answers: [202, 503],
    word: 'no-free-slot',
    retryAfter: '1',
    gets: 1,
    events: ['confirmed', 'released'],
    record: { ...recorded, fence: 1 },
    ...oneHandler,
  },
  {
    name: 'recorded as approved while all run slots are in use',
    answers: [202, 503],
    word: 'no-free-slot',
    retryAfter: '1',
    record: { ...recorded, fence: 1 },
    options: oneHandler.options,
    async before(bench) {
      await oneHandler.before(bench)
      await bench.send()
      bench.forget()
    },
  },
  {
    name: 'polled by another process',
    answers: [202, 409],
    word: 'in-progress',
    retryAfter: '30',
    record: { state: 'claimed', fence: 1, attempts: 0 },
    async before({ store, pass }) {
      const other = answersBench({ sweep: 'off' }, store)
      other.api.answer(id, () => 'hang')
      void other.send() // it hangs
      await pass(0)
    },
  },
]

const failing: readonly Situation[] = [
  {
    name: 'approved, and the handler throws',
    answers: [202, 500],
    word: 'handler-failed',
    retryAfter: '1',
    gets: 1,
    runs: 1,
    events: ['confirmed', 'run-started', 'run-failed', 'released'],
    record: {
      state: 'pending',
      fence: 1,
      attempts: 1,
      decision: expect.objectContaining({ status: 'approved' }),
      dueInMs: 1_000,
    },
    options: { onDecision: () => Promise.reject(new Error(canaries.handlerError)) },
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'approved, and the handler throws under at-most-once',
    answers: [202, 500],
    word: 'handler-failed',
    retryAfter: '1',
    gets: 1,
    runs: 1,
    events: ['confirmed', 'run-started', 'run-failed', 'parked'],
    record: { state: 'parked', reason: 'handler-failed', attempts: 1 },
    options: { guarantee: 'at-most-once', onDecision: () => Promise.reject(new Error(canaries.handlerError)) },
    before: ({ api }) => api.approve(id),
  },
  {
    name: 'approved, and the handler has just failed before',
    answers: [202, 409],
    word: 'too-soon',
    retryAfter: '3',
    record: { state: 'pending', attempts: 1, dueInMs: 3_000 },
    options: {
      runs: { backoffMs: [3_000, 3_000] },
      onDecision: () => Promise.reject(new Error(canaries.handlerError)),
    },
    async before({ api, send, forget }) {
      api.approve(id)
      await send()
      forget()
    },
  },
  {
    name: 'kept in an entry of a newer version',
    answers: [202, 202],
    word: 'parked',
    events: ['store-failed'],
    record: { state: 'unreadable' },
    register: ({ store }) =>
      store.write(`a:${id}`, null, { stamp: 'newer', dueAt: null, parkedAt: null, state: { v: 2 } }),
  },
  {
    name: 'in a store that is down',
    answers: [503, 503],
    word: 'store-unavailable',
    retryAfter: '5',
    events: ['store-failed'],
    record: untouched,
    before: ({ api, faulty }) => {
      api.approve(id)
      faulty.failWith(storeError())
    },
  },
  {
    name: 'approved, and the store fails before the decision is recorded',
    answers: [503, 503],
    word: 'store-unavailable',
    retryAfter: '5',
    gets: 1,
    events: ['confirmed', 'store-failed'],
    record: { state: 'claimed', attempts: 0, decision: null, dueInMs: 30_000 },
    before: ({ api, faulty }) => {
      api.answer(id, () => {
        faulty.failWith(storeError(), 'write')
        return { body: { id, status: 'APPROVED', decisionNote: canaries.note } }
      })
    },
  },
]

const refused: readonly Situation[] = [
  {
    name: 'unknown',
    answers: [404, 404],
    word: 'unknown-approval',
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({}, 'req_2'),
  },
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map(
    (nasty): Situation => ({
      name: `unknown, its id ${nasty}`,
      answers: [404, 404],
      word: 'unknown-approval',
      events: ['refused'],
      record: untouched,
      send: ({ send }) => send({ body: `{"approvalId":"${nasty}","status":"approved"}` }),
    }),
  ),
  {
    name: 'named by a callback without the token',
    answers: [401, 401],
    word: 'token-refused',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    options: withToken,
  },
  {
    name: 'named by a callback with a forged token',
    answers: [401, 401],
    word: 'token-refused',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    options: withToken,
    send: ({ receiver, send }) =>
      send({ url: receiver.callbackUrl().url.replace(/.$/, (end) => (end === 'A' ? 'E' : 'A')) }),
  },
  {
    name: 'named by a callback with an old token',
    answers: [401, 401],
    word: 'token-refused',
    storeCalls: 0,
    events: ['refused'],
    record: { ...untouched, dueInMs: expect.any(Number) },
    options: { ...withToken, retentionMs: 900_000, expiresAfterMs: 1_000 },
    async send({ receiver, send, pass }) {
      const { url } = receiver.callbackUrl()
      await pass(902_000)
      return send({ url })
    },
  },
  {
    name: 'named by a callback with the token of another record',
    answers: [401, 401],
    word: 'token-refused',
    events: ['refused'],
    record: untouched,
    options: withToken,
    send: ({ receiver, send }) => send({ url: receiver.callbackUrl().url }),
  },
  {
    name: 'named by a callback with the token of another record, where tokens are optional',
    answers: [401, 401],
    word: 'token-refused',
    events: ['refused'],
    record: untouched,
    options: { callbackUrl },
    send: ({ receiver, send }) => send({ url: receiver.callbackUrl().url }),
  },
  {
    name: 'approved, and named with a forged token where tokens are optional',
    answers: [200, 200],
    word: 'handled',
    gets: 1,
    runs: 1,
    events: ran,
    record: { state: 'completed' },
    options: { callbackUrl },
    before: ({ api }) => api.approve(id),
    send: ({ receiver, send }) =>
      send({ url: receiver.callbackUrl().url.replace(/.$/, (end) => (end === 'A' ? 'E' : 'A')) }),
  },
  {
    name: 'unknown, with a valid token that no submission used',
    answers: [404, 404],
    word: 'unknown-approval',
    events: ['refused'],
    record: untouched,
    options: withToken,
    send: ({ receiver, send }) => send({ url: receiver.callbackUrl().url }, 'req_2'),
  },
  {
    name: 'unknown, with a valid token whose submission has no response yet',
    answers: [202, 409],
    word: 'awaiting-id',
    retryAfter: '5',
    record: untouched,
    options: withToken,
    async send({ receiver, store, send }) {
      const { url, ref } = receiver.callbackUrl()
      await addReservation(store, ref, 60_000)
      return send({ url }, 'req_2')
    },
  },
  {
    name: 'named by another agent',
    answers: [403, 403],
    word: 'agent-refused',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({ headers: { 'user-agent': `curl/8.5.0 ${canaries.agent}` } }),
  },
  {
    name: 'named in a GET request',
    answers: [405, 405],
    word: 'method-not-allowed',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({ method: 'GET' }),
  },
  {
    name: 'named in a form',
    answers: [415, 415],
    word: 'media-type-refused',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) =>
      send({
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `approvalId=${id}&decisionNote=${canaries.claim}`,
      }),
  },
  {
    name: 'named in incomplete JSON',
    answers: [400, 400],
    word: 'malformed',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({ body: `{"approvalId":"${id}","decisionNote":"${canaries.claim}"` }),
  },
  {
    name: 'named by a path instead of its id',
    answers: [400, 400],
    word: 'malformed',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({ body: { approvalId: `../${canaries.claim}` } }),
  },
  {
    name: 'named in a body that is too long',
    answers: [413, 413],
    word: 'body-too-large',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    send: ({ send }) => send({ body: { approvalId: id, decisionNote: canaries.claim.repeat(20_000) } }),
  },
  {
    name: 'named in a body that is too slow',
    answers: [408, 408],
    word: 'body-too-slow',
    storeCalls: 0,
    events: ['refused'],
    record: { ...untouched, dueInMs: 7_345 },
    async send({ receiver, pass }) {
      const stream = new ReadableStream<Uint8Array>({
        start: (to) => to.enqueue(Buffer.from(`{"decisionNote":"${canaries.claim}`)),
      })
      const answer = receiver.handle(callback({ stream }))
      await pass(5_000)
      return new Response((await answer).body, await answer)
    },
  },
  {
    name: 'named in an aborted body',
    answers: [400, 400],
    word: 'body-aborted',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    async send({ receiver }) {
      const stream = new ReadableStream<Uint8Array>({ pull: (to) => to.error(new Error(canaries.claim)) })
      const answer = await receiver.handle(callback({ stream }))
      return new Response(answer.body, answer)
    },
  },
  {
    name: 'named in a body that other middleware read',
    answers: [500, 500],
    word: 'body-already-read',
    storeCalls: 0,
    events: ['refused'],
    record: untouched,
    async send({ receiver }) {
      const answer = await receiver.handle(callback({ alreadyRead: true }))
      return new Response(answer.body, answer)
    },
  },
  {
    name: 'named while the receiver closes',
    answers: [503, 503],
    word: 'closing',
    storeCalls: 0,
    retryAfter: '1',
    events: ['refused'],
    record: untouched,
    async send({ receiver, send }) {
      await receiver.close()
      return send()
    },
  },
  {
    name: 'named while maxInFlight callbacks are in progress',
    answers: [503, 503],
    word: 'overloaded',
    storeCalls: 0,
    retryAfter: '1',
    events: ['refused'],
    record: { state: 'claimed', fence: 1 },
    options: { callbacks: { maxInFlight: 1 } },
    async before({ api, send, pass, forget }) {
      api.answer(id, () => 'hang')
      void send() // it hangs
      await pass(0)
      forget()
    },
  },
]

/** The whole table. */
export const situations: readonly Situation[] = [...handled, ...edits, ...unconfirmed, ...failing, ...refused]

function callback(body: Callback['body']): Callback {
  const { headers } = callbackRequest(id)
  return { method: 'POST', url: '/webhooks/cheqpoint', header: (name) => [headers.get(name) ?? []].flat(), body }
}

/** An error of an HTTP client, with the request and the response attached. */
export function wireError(): Error {
  const headers = ['x-api-key', `cq_live_${canaries.key}`]
  return Object.assign(new Error(canaries.upstream), {
    headers,
    body: canaries.upstream,
    data: Buffer.from(canaries.upstream),
  })
}

/** An error of a database client, with the statement and its values attached. */
export function storeError(): Error {
  const cause = new Error(`duplicate entry ${canaries.storeError}`)
  return Object.assign(new Error(`write failed: ${canaries.storeError}`, { cause }), { detail: canaries.storeError })
}

export function failingDispatcher(fail: (handler: Dispatcher.DispatchHandler) => unknown): Dispatcher {
  const dispatch: Dispatcher['dispatch'] = (_, handler) => {
    fail(handler)
    return true
  }
  // No other method of a dispatcher is used.
  return { dispatch } as Dispatcher
}
