import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type ReceiverOptions, type Store } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { rewriteKey } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
import { eventsOf } from '../support/runs-events.js'
import { type Gate, gate, pass } from '../support/runs-time.js'
import {
  callbackSecret,
  failure,
  pendingPost,
  refund,
  type SubmitBench,
  submitBench,
  tracked,
  webhook,
} from '../support/submit-bench.js'

const day = 86_400_000
const other = { action: 'process_refund', summary: 'Refund $9', details: { orderId: '1', amount: 9 } } as const

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

function tokenBench(options: Partial<ReceiverOptions> = {}, api?: SubmitBench['api']): SubmitBench {
  return submitBench({ callbackUrl: webhook, callbackSecret, ...options }, api)
}

/** The callback URL that went with the nth submission. */
function urlOf({ api }: SubmitBench, nth = 0): string {
  return String(api.posts[nth]?.body['callbackUrl'])
}

function tokenOf(bench: SubmitBench, nth = 0): string {
  return new URL(urlOf(bench, nth)).searchParams.get('cq') ?? ''
}

async function post({ receiver }: SubmitBench, approvalId: string, url: string): Promise<number> {
  return (await receiver.fetch(callbackRequest(approvalId, { url }))).status
}

function raise(error: Error): never {
  throw error
}

describe('a callback', () => {
  it('with the token of its request is acted on, as often as it comes', async () => {
    const bench = tokenBench()
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
    expect(bench.runs).toHaveLength(1)
  })

  const last = (token: string): string => (token.endsWith('A') ? 'B' : 'A')
  it.each<readonly [string, (token: string) => string]>([
    ['no query', () => ''],
    ['an empty token', () => '?cq='],
    ['another token', () => '?cq=secret'],
    ['another reference', (token) => `?cq=${token.startsWith('X') ? 'Y' : 'X'}${token.slice(1)}`],
    ['another expiry', (token) => `?cq=${token.replace(/\.(.)/, (_all, first) => `.${first === '9' ? '8' : '9'}`)}`],
    ['another mac', (token) => `?cq=${token.slice(0, -1)}${last(token)}`],
    ['half a token', (token) => `?cq=${token.slice(0, -10)}`],
    ['a token and more', (token) => `?cq=${token}A`],
    ['a token and a space', (token) => `?cq=${token}%20`],
    ['the token twice', (token) => `?cq=${token}&cq=${token}`],
    ['the token and an empty one', (token) => `?cq=${token}&cq=`],
    ['the token under another name', (token) => `?CQ=${token}`],
    ['the token in the fragment', (token) => `#cq=${token}`],
    ['the token in the path', (token) => `/${token}`],
  ])('with %s is answered 401, without a GET or a store call', async (_words, change) => {
    const bench = tokenBench()
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    bench.api.steps.length = 0
    const answer = await bench.receiver.fetch(callbackRequest('req_1', { url: `${webhook}${change(tokenOf(bench))}` }))
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ status: 401, code: 'token-refused' })
    expect(bench.api.steps).toEqual([])
    expect(bench.api.asked).toEqual([])
    expect(bench.runs).toEqual([])
    expect(eventsOf(bench.events, 'refused')).toEqual([{ type: 'refused', reason: 'token-refused', approvalId: null }])
  })

  it('is acted on where its request gets its id between two reads of that callback', async () => {
    const store = memoryStore()
    const read: Store['read'] = async (key) => {
      const stored = await store.read(key)
      if (key !== 'a:req_1' || isAnswered) return stored
      isAnswered = true
      bench.api.answer('1', pendingPost('req_1'))
      bench.api.resume()
      await submission
      return stored
    }
    let isAnswered = false
    const bench = tokenBench({ store: overlayStore(store, { read }) })
    bench.api.onPost = () => 'hang'
    const submission = bench.receiver.submit(refund)
    await pass(0)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
    expect(bench.runs).toHaveLength(1)
  })

  it('that comes while its request is bound to its id is acted on at once', async () => {
    const inner = memoryStore()
    const bound = gate()
    let isHeld = false
    const write: Store['write'] = async (key, ...rest) => {
      if (key === 'a:req_1' && !isHeld) {
        isHeld = true
        await bound.promise
      }
      return inner.write(key, ...rest)
    }
    const bench = tokenBench({ store: overlayStore(inner, { write }) })
    const submission = bench.receiver.submit(refund)
    await pass(0)
    expect(isHeld).toBe(true)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
    expect(bench.runs).toHaveLength(1)
    bound.open()
    await pass(100)
    expect(await submission).toMatchObject({ approvalId: 'req_1' })
    expect(bench.runs).toHaveLength(1)
    expect((await bench.receiver.unconfirmed()).items).toEqual([])
  })

  it.each([
    ['of a newer version', { v: 2, kind: 'reserved' }],
    ['that is damaged', { kind: 'nonsense' }],
  ])('with the token of a reference %s gets 202 and an event, and changes nothing', async (_, state) => {
    const store = memoryStore()
    const bench = tokenBench({ store })
    bench.api.onPost = () => 'hang'
    void bench.receiver.submit(refund).catch(() => {})
    await pass(0)
    const [key = ''] = (await store.list('due', { limit: 1 })).items.map((item) => item.key)
    await rewriteKey(store, key, () => ({ state }))
    const before = await store.read(key)
    const answer = await bench.receiver.fetch(callbackRequest('req_1', { url: urlOf(bench) }))
    expect([answer.status, await answer.json()]).toEqual([202, { result: 'parked' }])
    expect(eventsOf(bench.events, 'store-failed')).toMatchObject([
      { operation: 'claim', error: { code: 'store-response', approvalId: 'req_1', ref: key.slice(2) } },
    ])
    expect((await store.read(key)).entry).toEqual(before.entry)
    expect(bench.api.asked).toEqual([])
  })

  it('with its token in a header or in the body has none', async () => {
    const bench = tokenBench()
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    const cq = tokenOf(bench)
    const sent = callbackRequest('req_1', { headers: { cq, 'x-cq': cq }, body: { approvalId: 'req_1', cq } })
    expect((await bench.receiver.fetch(sent)).status).toBe(401)
    expect(bench.api.asked).toEqual([])
  })

  it('is not read where its token is wrong', async () => {
    const bench = tokenBench()
    await bench.receiver.submit(refund)
    const request = callbackRequest('req_1', { url: webhook })
    expect((await bench.receiver.fetch(request)).status).toBe(401)
    expect(request.bodyUsed).toBe(false)
  })

  it.each([
    [0, 200],
    [1_000, 401],
  ])('%d ms after its request expired and was forgotten is answered %d', async (afterMs, status) => {
    const bench = tokenBench({ retentionMs: day })
    const expiresAt = new Date(Date.now() + day)
    await bench.receiver.submit(refund, { expiresAt })
    await pass(day)
    bench.api.approve('req_1', { decidedAt: expiresAt.toISOString() })
    await post(bench, 'req_1', urlOf(bench))
    await pass(day + afterMs)
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(status)
    expect(bench.runs).toHaveLength(1)
  })

  it('may come with parameters of others around its token', async () => {
    const bench = tokenBench({ callbackUrl: `${webhook}?tenant=7&name=a%20b` })
    await bench.receiver.submit(refund)
    const { searchParams } = new URL(urlOf(bench))
    expect([...searchParams.keys()]).toEqual(['tenant', 'name', 'cq'])
    expect([searchParams.get('tenant'), searchParams.get('name')]).toEqual(['7', 'a b'])
    bench.api.approve('req_1')
    const url = `${webhook}?via=proxy&cq=${tokenOf(bench)}&tenant=7`
    expect(await post(bench, 'req_1', url)).toBe(200)
  })

  it('finds its token in the path where a function put it', async () => {
    const bench = tokenBench({ callbackUrl: (token) => `https://app.test/hooks/${token}/cheqpoint?tenant=7` })
    await bench.receiver.submit(refund)
    expect(urlOf(bench)).toMatch(/^https:\/\/app\.test\/hooks\/[\w.-]+\/cheqpoint\?tenant=7$/)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', 'https://app.test/hooks/cheqpoint')).toBe(401)
    // A proxy may cut the query off: the token is not in it.
    expect(await post(bench, 'req_1', urlOf(bench).replace('?tenant=7', ''))).toBe(200)
    expect(bench.runs).toHaveLength(1)
  })
})

describe('a secret that is rotated', () => {
  const [old, fresh] = ['the secret of last year', 'the secret of this year']

  it('takes the tokens of both while both are given, and signs with the newest', async () => {
    const store = memoryStore()
    const before = tokenBench({ store, callbackSecret: old })
    await before.receiver.submit(refund)
    const during = tokenBench({ store, callbackSecret: [fresh, old] }, before.api)
    await during.receiver.submit(other)
    const after = tokenBench({ store, callbackSecret: fresh }, before.api)
    before.api.approve('req_1')
    before.api.approve('req_2')
    expect(await post(before, 'req_2', urlOf(before, 1))).toBe(401)
    expect(await post(during, 'req_1', urlOf(before, 0))).toBe(200)
    expect(await post(after, 'req_1', urlOf(before, 0))).toBe(401)
    expect(await post(after, 'req_2', urlOf(before, 1))).toBe(200)
  })
})

describe('the token of request A with the id of approval B', () => {
  interface Scene extends SubmitBench {
    readonly work: Gate
    /** Ends the submission of A where it is under way. */
    readonly answerA: () => Promise<unknown>
  }
  const states = ['reserved', 'pending', 'claimed', 'completed', 'parked', 'forgotten'] as const
  type State = (typeof states)[number]

  /** A and B in these states; A's submission is the first. */
  async function scene(a: State, b: Exclude<State, 'reserved'> | 'unknown'): Promise<Scene> {
    const work = gate()
    const bench = tokenBench({
      retentionMs: 900_000,
      submitTimeoutMs: 3_600_000,
      onDecision: ({ approvalId }) => (approvalId === claimed ? work.promise : undefined),
    })
    const { receiver, api } = bench
    let claimed = ''
    const bring = async (id: string, nth: number, state: State): Promise<void> => {
      if (state === 'reserved') return
      if (state === 'pending') api.pend(id)
      else if (state === 'parked') api.approve(id, { modifiedDetails: {} })
      else api.approve(id)
      if (state === 'claimed') claimed = id
      if (state !== 'pending') void post(bench, id, urlOf(bench, nth))
      await pass(0)
      if (state === 'forgotten') await pass(900_001)
    }
    api.onPost = (_posted, id) => (id === 'req_1' && a === 'reserved' ? 'hang' : pendingPost(id))
    const submission = receiver.submit(refund)
    await pass(0)
    if (b !== 'unknown') await receiver.submit(other)
    const bringA = (): Promise<void> => bring('req_1', 0, a)
    // First what is to be forgotten, so that the other is not.
    if (a === 'forgotten') await bringA()
    if (b !== 'unknown') await bring('req_2', 1, b)
    if (a !== 'forgotten') await bringA()
    api.approve('req_2')
    api.gets.length = 0
    return {
      ...bench,
      work,
      async answerA() {
        api.onPost = (_posted, id) => pendingPost(id)
        api.resume()
        return submission
      },
    }
  }

  const rows = states.flatMap((a) =>
    (['unknown', 'pending', 'claimed', 'completed', 'parked', 'forgotten'] as const)
      // Only one handler can be at work on what only one gate holds.
      .filter((b) => !(a === 'claimed' && b === 'claimed'))
      .map((b) => {
        const isKnown = b !== 'unknown' && b !== 'forgotten'
        return [a, b, isKnown ? 401 : a === 'reserved' ? 202 : 404] as const
      }),
  )

  it.each(rows)('runs nothing and sends no GET: A %s, B %s, answered %d', async (a, b, status) => {
    const bench = await scene(a, b)
    const { receiver, api, runs } = bench
    const before = runs.length
    expect(before).toBe([a, b].filter((state) => /claimed|completed|forgotten/.test(state)).length)
    expect(await post(bench, 'req_2', urlOf(bench))).toBe(status)
    expect(await post(bench, 'req_2', urlOf(bench))).toBe(status)
    expect(api.asked).toEqual([])
    expect(runs).toHaveLength(before)
    const held = (await receiver.unconfirmed()).items.flatMap(({ candidates }) => candidates)
    expect(held).toEqual(status === 202 ? ['req_2'] : [])
    bench.work.open()
    await bench.answerA()
    await receiver.close()
  })

  it('leaves B as it was: its own callback is acted on, with its own details', async () => {
    const bench = await scene('pending', 'pending')
    expect(await post(bench, 'req_2', urlOf(bench, 0))).toBe(401)
    expect(await post(bench, 'req_2', urlOf(bench, 1))).toBe(200)
    expect(bench.runs).toMatchObject([{ decision: { approvalId: 'req_2', details: other.details } }])
    await bench.receiver.close()
  })

  it('does not keep A from its own id, though it was named first', async () => {
    const bench = await scene('reserved', 'unknown')
    const { api, runs } = bench
    await post(bench, 'req_2', urlOf(bench))
    expect(await bench.answerA()).toMatchObject({ status: 'pending', approvalId: 'req_1' })
    expect(api.asked).toEqual([])
    expect(await post(bench, 'req_2', urlOf(bench))).toBe(404)
    api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_1', details: refund.details } }])
    await pass(day)
    expect(runs).toHaveLength(1)
    await bench.receiver.close()
  })

  it('shows nothing of the run of B that is in progress', async () => {
    const bench = tokenBench({ onDecision: () => work.promise })
    const work = gate()
    await bench.receiver.submit(refund)
    await bench.receiver.submit(other)
    bench.api.approve('req_2')
    const genuine = post(bench, 'req_2', urlOf(bench, 1))
    const foreign = post(bench, 'req_2', urlOf(bench, 0))
    expect(await foreign).toBe(401)
    work.open()
    expect(await genuine).toBe(200)
    expect(bench.runs).toHaveLength(1)
  })
})

describe('a token that something on the way cuts off', () => {
  it('costs the callback and not the decision: the sweep finds it, and the refusals are counted', async () => {
    const bench = tokenBench({ sweep: 'here' })
    const { receiver, api, runs } = bench
    await receiver.start()
    await receiver.submit(refund)
    await pass(1_000)
    api.approve('req_1')
    expect(await post(bench, 'req_1', webhook)).toBe(401)
    expect(await post(bench, 'req_1', webhook)).toBe(401)
    expect(runs).toEqual([])
    await pass(20_000)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_1', via: 'poll' } }])
    expect(await receiver.stats()).toMatchObject({ tokensRefused: 2 })
    await receiver.close()
  })

  it('counts a token of another request too, and no callback whose token is right', async () => {
    const bench = tokenBench()
    await bench.receiver.submit(refund)
    await bench.receiver.submit(other)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench, 0))).toBe(200)
    expect(await bench.receiver.stats()).toMatchObject({ tokensRefused: 0 })
    expect(await post(bench, 'req_2', urlOf(bench, 0))).toBe(401)
    expect(await bench.receiver.stats()).toMatchObject({ tokensRefused: 1 })
  })
})

describe('a request that was submitted elsewhere', () => {
  it('is followed with the reference of a URL made for it, which takes no other token', async () => {
    const bench = tokenBench()
    const { receiver, api, runs } = bench
    const [mine, strange] = [receiver.callbackUrl(), receiver.callbackUrl()]
    expect(await receiver.track('req_1', { action: 'ship', details: { to: 'Bern' }, ref: mine.ref })).toBe(true)
    api.approve('req_1')
    expect(await post(bench, 'req_1', strange.url)).toBe(401)
    expect(await post(bench, 'req_1', webhook)).toBe(401)
    expect(api.asked).toEqual([])
    expect(await post(bench, 'req_1', mine.url)).toBe(200)
    expect(runs).toMatchObject([{ decision: { action: 'ship', details: { to: 'Bern' } } }])
  })

  it('is not acted on for any callback where it was tracked without one; the sweep finds it', async () => {
    const bench = tokenBench({ sweep: 'here' })
    const { receiver, api, runs } = bench
    await receiver.start()
    const { url } = receiver.callbackUrl()
    await receiver.track('req_1', tracked)
    api.approve('req_1')
    expect(await post(bench, 'req_1', url)).toBe(401)
    await pass(20_000)
    expect(runs).toMatchObject([{ decision: { via: 'poll' } }])
    await receiver.close()
  })

  it('whose callback is here before it is tracked is unknown, and polled as soon as it is tracked', async () => {
    const bench = tokenBench({ sweep: 'here' })
    const { receiver, api, runs } = bench
    await receiver.start()
    const { url, ref } = receiver.callbackUrl()
    api.approve('req_1')
    expect(await post(bench, 'req_1', url)).toBe(404)
    expect(api.asked).toEqual([])
    await receiver.track('req_1', { ...tracked, ref })
    await pass(2_000)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })

  it.each([
    [0, 202],
    [1_000, 401],
  ])('has a token that lasts as long as such a request is remembered: %d ms more, %d', async (afterMs, status) => {
    const bench = tokenBench({ sweep: 'elsewhere', expiresAfterMs: day, retentionMs: day })
    const { url, ref } = bench.receiver.callbackUrl()
    const expiresAt = new Date(Date.now() + 3 * day)
    await bench.receiver.track('req_1', { ...tracked, ref, expiresAt })
    bench.api.pend('req_1')
    await pass(2 * day + afterMs)
    expect(await post(bench, 'req_1', url)).toBe(status)
  })

  it('gets the plain URL where tokens are off, and needs none', async () => {
    const bench = submitBench({ callbackUrl: webhook, callbackTokens: 'off' })
    const { url, ref } = bench.receiver.callbackUrl()
    expect(url).toBe(webhook)
    await bench.receiver.track('req_1', { ...tracked, ref })
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', url)).toBe(200)
  })

  const thrown = new Error('the config is gone')
  it.each<[string, () => string, string, unknown]>([
    ['throws', () => raise(thrown), 'it threw', thrown],
    ['returns a text that is no URL', () => '/hook', 'returns a URL with the token', undefined],
    ['returns nothing', () => JSON.parse('null'), 'returns a URL with the token', undefined],
    ['loses the token', () => webhook, 'returns a URL with the token', undefined],
  ])(
    'is not sent, with the option named, if its callbackUrl function later %s',
    async (_words, later, words, cause) => {
      let isLater = false
      const callbackUrl = (token: string): string => (isLater ? later() : `${webhook}/${token}`)
      const { receiver, api, events } = tokenBench({ callbackUrl })
      isLater = true
      for (const call of [() => receiver.submit(refund), async () => receiver.callbackUrl()]) {
        const error = await failure(call())
        expect([error.code, error.cause]).toEqual(['option-invalid', cause])
        expect(error.message).toMatch(new RegExp(`^option callbackUrl must be a function that .*${words}`))
      }
      expect([api.posts, (await receiver.unconfirmed()).items, eventsOf(events, 'submission-unknown')]).toEqual([
        [],
        [],
        [],
      ])
      isLater = false
      expect(await receiver.submit(refund)).toMatchObject({ status: 'pending' })
    },
  )

  it('cannot have a URL where none is configured', async () => {
    const { receiver } = submitBench()
    expect((await failure((async () => receiver.callbackUrl())())).code).toBe('option-missing')
  })
})
