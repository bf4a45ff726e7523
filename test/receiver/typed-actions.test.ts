import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  type ActionRules,
  type CheqpointEvent,
  createReceiver,
  type JsonObject,
  memoryStore,
  type StandardSchema,
} from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { eventsOf } from '../support/runs-events.js'
import { pass } from '../support/runs-time.js'
import { decidedPost, failure, refund, SubmitApi, submitBench } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const zodRefund = z.object({
  orderId: z.string().regex(/^\d+$/),
  amount: z.number().positive(),
  currency: z.string().default('USD'),
  note: z
    .string()
    .transform((note) => note.trim())
    .optional(),
})
const valibotRefund = v.object({
  orderId: v.pipe(v.string(), v.regex(/^\d+$/)),
  amount: v.pipe(v.number(), v.minValue(0.01)),
  currency: v.optional(v.string(), 'USD'),
  note: v.optional(v.pipe(v.string(), v.trim())),
})

describe.each([
  ['zod', zodRefund],
  ['valibot', valibotRefund],
] as const)('an action with a schema of %s', (_library, details) => {
  function typed() {
    const api = new SubmitApi()
    const seen: unknown[] = []
    const events: CheqpointEvent[] = []
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      dispatcher: api,
      onEvent: (event) => events.push(event),
      actions: {
        process_refund: {
          details,
          modifications: 'replace',
          onDecision(decision) {
            seen.push('details' in decision ? decision.details : decision.status)
            return decision.status === 'approved' ? decision.changedPaths : null
          },
        },
      },
    })
    return { api, seen, events, receiver }
  }
  const input = { orderId: '8842', amount: 120, note: ' lost ' }
  const request = { action: 'process_refund', summary: 'Refund $120', details: input } as const

  it('sends and keeps the input of the schema, and passes its output to the handler', async () => {
    const { api, seen, receiver } = typed()
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    await receiver.submit(request)
    expect(api.posts[0]?.body['details']).toEqual(input)
    expect(seen).toEqual([{ orderId: '8842', amount: 120, currency: 'USD', note: 'lost' }])
  })

  it('passes a valid edit to the handler, with the changed paths', async () => {
    const { api, seen, receiver } = typed()
    await receiver.submit(request)
    api.approve('req_1', { modifiedDetails: { orderId: '8842', amount: 50, currency: 'EUR', extra: true } })
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(seen).toEqual([{ orderId: '8842', amount: 50, currency: 'EUR' }])
    expect((await receiver.wait('req_1')).result).toEqual(['/amount', '/note', '/currency', '/extra'])
  })

  it.each<readonly [string, JsonObject, readonly string[]]>([
    ['an amount that is none', { orderId: '8842', amount: -9_999 }, ['/amount']],
    ['two places that are wrong', { orderId: 'DROP-7771', amount: '50' }, ['/orderId', '/amount']],
    ['a key that is missing', { amount: 50 }, ['/orderId']],
    ['no keys at all', {}, ['/orderId', '/amount']],
  ])('parks an edit with %s, with the places and never the values', async (_words, modifiedDetails, paths) => {
    const { api, seen, events, receiver } = typed()
    await receiver.submit(request)
    api.approve('req_1', { modifiedDetails })
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(eventsOf(events, 'parked')).toEqual([
      { type: 'parked', approvalId: 'req_1', action: 'process_refund', reason: 'edit-invalid', paths },
    ])
    expect((await receiver.parked()).items).toMatchObject([{ reason: 'edit-invalid', note: paths.join(' ') }])
    expect(JSON.stringify(events)).not.toMatch(/9999|7771|"50"/)
    expect((await failure(receiver.wait('req_1'))).code).toBe('parked')
    expect(seen).toEqual([])
  })

  it('does not judge the edit of a request that was rejected', async () => {
    const { api, seen, receiver } = typed()
    await receiver.submit(request)
    api.reject('req_1', { modifiedDetails: { amount: -1 } })
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(seen).toEqual(['rejected'])
  })

  it('refuses to submit what does not pass it', async () => {
    const { api, receiver } = typed()
    const error = await failure(receiver.submit({ ...request, details: { orderId: 'x-7771', amount: 0 } }))
    expect(error).toMatchObject({ code: 'argument-invalid' })
    expect(error.message).toMatch(/\/orderId, \/amount$/)
    expect(api.posts).toEqual([])
  })
})

describe('what a reviewer may edit', () => {
  const original = { orderId: '8842', amount: 120, shipping: { city: 'Bern', zip: '3000' } }
  type Row = readonly [string, ActionRules['modifications'], JsonObject, unknown, readonly string[]]

  /** Submits, has the edit approved, and tells what ran or why it is parked. */
  async function edited(
    modifications: ActionRules['modifications'],
    edit: JsonObject | null,
    details?: StandardSchema,
  ): Promise<readonly [unknown, readonly string[]]> {
    const api = new SubmitApi()
    let ran: unknown = null
    let changed: readonly string[] = []
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      dispatcher: api,
      log: false,
      actions: {
        process_refund: {
          modifications,
          details,
          onDecision(decision) {
            if (decision.status !== 'approved') return
            ran = decision.details
            changed = decision.changedPaths
          },
        },
      },
    })
    await receiver.submit({ action: 'process_refund', summary: 'Refund', details: original })
    api.approve('req_1', { modifiedDetails: edit })
    await receiver.fetch(callbackRequest('req_1'))
    const [parked] = (await receiver.parked()).items
    return parked === undefined ? [ran, changed] : [parked.reason, parked.note === '' ? [] : parked.note.split(' ')]
  }

  const whole = { orderId: '8842', amount: 50, shipping: { city: 'Bern', zip: '3000' } }
  it.each<Row>([
    ['by default the whole', undefined, whole, whole, ['/amount']],
    [
      'by default more than there was',
      undefined,
      { ...whole, gift: true },
      { ...whole, gift: true },
      ['/amount', '/gift'],
    ],
    [
      'by default not a part, which may mean either',
      undefined,
      { amount: 50 },
      'edit-ambiguous',
      ['/orderId', '/shipping'],
    ],
    [
      'by default not a part within',
      undefined,
      { ...whole, shipping: { city: 'Thun' } },
      'edit-ambiguous',
      ['/shipping/zip'],
    ],
    ['by default not nothing', undefined, {}, 'edit-ambiguous', ['/orderId', '/amount', '/shipping']],
    ['replace: a part is all', 'replace', { amount: 50 }, { amount: 50 }, ['/orderId', '/amount', '/shipping']],
    ['replace: nothing is all', 'replace', {}, {}, ['/orderId', '/amount', '/shipping']],
    ['merge: a part changes a part', 'merge', { amount: 50 }, whole, ['/amount']],
    [
      'merge: a part within',
      'merge',
      { shipping: { city: 'Thun' } },
      { ...original, shipping: { city: 'Thun', zip: '3000' } },
      ['/shipping/city'],
    ],
    ['merge: null removes', 'merge', { shipping: null }, { orderId: '8842', amount: 120 }, ['/shipping']],
    ['merge: nothing changes nothing', 'merge', {}, original, []],
    ['refuse: nothing', 'refuse', { amount: 50 }, 'edit-refused', []],
    ['refuse: not even what changes nothing', 'refuse', { ...original }, 'edit-refused', []],
  ])('%s', async (_words, modifications, edit, ran, paths) => {
    expect(await edited(modifications, edit)).toEqual([ran, paths])
  })

  it('is not taken as a patch without modifications, with a schema or without', async () => {
    const schema = z.object({ amount: z.number(), orderId: z.string().optional() })
    expect(await edited(undefined, { amount: 50 }, schema)).toEqual(['edit-ambiguous', ['/orderId', '/shipping']])
    expect(await edited('replace', { amount: 50 }, schema)).toEqual([
      { amount: 50 },
      ['/orderId', '/amount', '/shipping'],
    ])
  })

  it('is merged before the schema sees it', async () => {
    const schema = z.object({ orderId: z.string(), amount: z.number().max(150) })
    expect(await edited('merge', { amount: 50 }, schema)).toEqual([{ orderId: '8842', amount: 50 }, ['/amount']])
    expect(await edited('merge', { amount: 151 }, schema)).toEqual(['edit-invalid', ['/amount']])
  })

  it('is reported as JSON Pointers, whatever the keys', async () => {
    const edit = { ...whole, 'a/b': 1, 'c~d': 2 }
    expect(await edited('replace', edit)).toEqual([edit, ['/amount', '/a~1b', '/c~0d']])
  })

  it.each(['replace', 'merge', 'refuse', undefined] as const)('is empty without an edit: %s', async (modifications) => {
    expect(await edited(modifications, null)).toEqual([original, []])
  })
})

describe('a context with a schema', () => {
  const context = z.object({ chat: z.coerce.number(), locale: z.string().default('en') })

  it('is checked when it is given, kept as given, and parsed for the handler', async () => {
    const api = new SubmitApi()
    const store = memoryStore()
    const seen: unknown[] = []
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      dispatcher: api,
      store,
      log: false,
      actions: {
        process_refund: {
          context,
          onDecision(decision) {
            seen.push(decision.context)
          },
        },
      },
    })
    await receiver.submit(refund, { context: { chat: '7' } })
    expect(await kept(store, 'req_1')).toMatchObject({ context: '{"chat":"7"}' })
    api.reject('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(seen).toEqual([{ chat: 7, locale: 'en' }])
    expect(api.posts[0]?.text).not.toContain('chat')
    const error = await failure(receiver.submit(refund, { context: { chat: 'seven' } }))
    expect(error.message).toBe('the context did not pass the schema of the action at /chat')
  })
})

describe('a schema that changes while requests are open', () => {
  const v1 = z.object({ orderId: z.string(), amount: z.number() })
  const v2 = z.object({ orderId: z.string(), amount: z.number(), currency: z.string() })

  /** Two releases of one app on one store. */
  function release(
    store: ReturnType<typeof memoryStore>,
    api: SubmitApi,
    details: StandardSchema,
    context?: StandardSchema,
  ) {
    const seen: unknown[] = []
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      dispatcher: api,
      store,
      log: false,
      actions: {
        process_refund: {
          details,
          context,
          onDecision(decision) {
            seen.push(decision.status === 'approved' ? decision.details : decision.status)
          },
        },
      },
    })
    return { seen, receiver }
  }

  it.each([
    ['details', v2, undefined, 'details-invalid', '/currency'],
    ['context', v1, z.object({ chat: z.number() }), 'context-invalid', ''],
  ] as const)('parks what was submitted under the old one: %s', async (_what, details, context, reason, note) => {
    const store = memoryStore()
    const api = new SubmitApi()
    const before = release(store, api, v1)
    await before.receiver.submit(refund, { context: null })
    api.approve('req_1')
    const after = release(store, api, details, context)
    expect((await after.receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect((await after.receiver.parked()).items).toMatchObject([{ reason, note }])
    expect(after.seen).toEqual([])
  })

  it('lets a parked edit run once the schema accepts it, without another GET', async () => {
    const store = memoryStore()
    const api = new SubmitApi()
    const strict = release(store, api, z.object({ orderId: z.string(), amount: z.number().max(100) }))
    await strict.receiver.submit({ ...refund, details: { orderId: '8842', amount: 90 } }, { context: null })
    api.approve('req_1', { modifiedDetails: { orderId: '8842', amount: 150 } })
    await strict.receiver.fetch(callbackRequest('req_1'))
    expect((await strict.receiver.parked()).items).toMatchObject([{ reason: 'edit-invalid' }])
    const wider = release(store, api, v1)
    await wider.receiver.start()
    // What the API says by now is not what was decided.
    api.approve('req_1', { modifiedDetails: { orderId: '8842', amount: 9_999 } })
    await wider.receiver.retry('req_1')
    await pass(2_000)
    expect(wider.seen).toEqual([{ orderId: '8842', amount: 150 }])
    expect(api.asked).toEqual(['req_1'])
    await wider.receiver.close()
  })
})

describe('a schema of any kind', () => {
  /** A schema made by hand, as the specification allows. */
  function schema(validate: StandardSchema['~standard']['validate']): StandardSchema {
    return { '~standard': { version: 1, vendor: 'test', validate } }
  }

  it('may take its time', async () => {
    const details = schema(async (value) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return { value }
    })
    const { receiver, api } = submitBench({ actions: { process_refund: { details, onDecision: () => 'refunded' } } })
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    const submission = receiver.submit(refund)
    await pass(200)
    expect(await submission).toMatchObject({ status: 'approved', result: 'refunded' })
  })

  it('that throws refuses, and its message is not shown', async () => {
    const details = schema((value) => {
      throw new Error(`cannot read ${JSON.stringify(value)}`)
    })
    const { receiver, api, events } = submitBench({ actions: { process_refund: { details, onDecision() {} } } })
    const error = await failure(receiver.submit(refund))
    expect(error).toMatchObject({ code: 'argument-invalid' })
    expect(`${error.message}${error.cause}${JSON.stringify(events)}`).not.toContain('8842')
    expect(api.posts).toEqual([])
  })

  it('judges its own action only: another one takes any object', async () => {
    const details = schema(() => ({ issues: [{ message: 'never' }] }))
    const { receiver, runs, api } = submitBench({ actions: { process_refund: { details, onDecision() {} } } })
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    await receiver.submit({ action: 'ship', summary: 'Ship it', details: { to: 'Bern' } })
    expect(runs).toMatchObject([{ decision: { action: 'ship', details: { to: 'Bern' } } }])
  })
})
