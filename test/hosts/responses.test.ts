import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheqpointError, type JsonObject, type StandardSchema } from '../../src/index.js'
import {
  action,
  answersBench,
  callbackSecret,
  callbackUrl,
  canary,
  details,
  id,
  tracked,
} from '../support/answers-bench.js'
import { situations } from '../support/answers-situations.js'
import { addApproval } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { eventsOf } from '../support/runs-events.js'
import { type Gate, gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const columns = [
  ['swept', 'elsewhere', 0],
  ['swept by nobody', 'off', 1],
] as const

describe.each(columns)('where a receiver is %s, a callback for an approval that is', (_, sweep, column) => {
  const rows = situations.map((row) => [row.name, row.answers[column], row] as const)

  it.each(rows)('%s gets %i', async (_, status, row) => {
    const bench = answersBench({ sweep, polling: { firstMs: 12_345 }, ...row.options })
    await (row.register?.(bench) ?? bench.receiver.track(id, tracked))
    await row.before?.(bench)
    const callsBefore = bench.faulty.calls.length
    const answer = await (row.send?.(bench) ?? bench.send())
    const text = await answer.text()
    const body: Readonly<Record<string, unknown>> = JSON.parse(text)
    expect([answer.status, body['result'] ?? body['code']]).toEqual([status, row.word])
    expect(answer.headers.get('retry-after')).toBe(status < 400 ? null : (row.retryAfter ?? null))
    expect(bench.api.gets).toHaveLength(row.gets ?? 0)
    expect(bench.runs).toHaveLength(row.runs ?? 0)
    expect(bench.events.map(({ type }) => type)).toEqual(row.events ?? [])
    expect(bench.faulty.calls.length - callsBefore).toEqual(row.storeCalls ?? expect.any(Number))
    expect(await bench.snapshot()).toMatchObject(row.record)
    // No ids or canaries in the response.
    expect(`${text}${JSON.stringify([...answer.headers])}`).not.toMatch(/req_|CANARY/)
    // Only the `error` of an event may contain foreign text.
    const events = bench.events.map((event) => ('error' in event ? { ...event, error: null } : event))
    expect(JSON.stringify(events)).not.toContain(canary)
  })
})

describe('a handler that is still running after callbacks.ackAfterMs', () => {
  it('gets 202 if swept, not a millisecond earlier, and continues under its lease', async () => {
    const work = gate()
    const { receiver, api, runs, send, snapshot } = answersBench({ sweep: 'elsewhere', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const answers = collect(send())
    await pass(7_999)
    expect(answers).toEqual([])
    await pass(1)
    expect(answers.map(({ status }) => status)).toEqual([202])
    expect(await answers[0]?.json()).toEqual({ result: 'running' })
    await pass(120_000)
    expect(await snapshot()).toMatchObject({ state: 'claimed', fence: 1, attempts: 1 })
    work.open()
    await pass(0)
    expect(await snapshot()).toMatchObject({ state: 'completed' })
    expect(runs).toHaveLength(1)
    expect((await send()).status).toBe(200)
  })

  it('is awaited without a sweep, and then gets 200', async () => {
    const work = gate()
    const { receiver, api, send } = answersBench({ sweep: 'off', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const answers = collect(send())
    await pass(60_000)
    expect(answers).toEqual([])
    work.open()
    await pass(0)
    expect(answers.map(({ status }) => status)).toEqual([200])
  })

  it('gets 202 without a sweep if the host has waitUntil', async () => {
    const work = gate()
    const { receiver, api } = answersBench({ sweep: 'off', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const kept: Promise<unknown>[] = []
    const waitUntil = (promise: Promise<unknown>): void => void kept.push(promise) // the host's to await
    const answers = collect(receiver.fetch(callbackRequest(id), { waitUntil }))
    await pass(7_999)
    expect(answers).toEqual([])
    await pass(1)
    expect(answers.map(({ status }) => status)).toEqual([202])
    const ended = collect(Promise.all(kept))
    await pass(60_000)
    expect([kept.length, ended.length]).toEqual([1, 0])
    work.open()
    await pass(0)
    expect(ended).toHaveLength(1)
  })

  it('gets 202 if the host passes its own context, whose waitUntil needs its this', async () => {
    class HostContext {
      readonly #kept: Promise<unknown>[] = []
      waitUntil(promise: Promise<unknown>): void {
        this.#kept.push(promise)
      }
      kept = (): number => this.#kept.length
    }
    const work = gate()
    const { receiver, api } = answersBench({ sweep: 'off', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const host = new HostContext()
    const answers = collect(receiver.fetch(callbackRequest(id), host))
    await pass(8_000)
    expect([answers.map(({ status }) => status), host.kept()]).toEqual([[202], 1])
    work.open()
    await pass(0)
  })

  it.each([
    ['an address', { remoteAddr: { hostname: '127.0.0.1' } }],
    ['bindings', { waitUntil: 'a binding of this name' }],
    ['nothing', null],
  ])('does not depend on what else the host passes to fetch: %s', async (_words, passed) => {
    const { receiver, api } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.approve(id)
    const asHost = receiver.fetch as (request: Request, passed: unknown) => Promise<Response>
    expect((await asHost(callbackRequest(id), passed)).status).toBe(200)
  })

  it('does not depend on a host whose waitUntil rejects, and leaves no unhandled rejection', async () => {
    vi.useRealTimers()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const { receiver, api } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.approve(id)
    const waitUntil = () => Promise.reject(new Error('the execution context is over'))
    expect((await receiver.fetch(callbackRequest(id), { waitUntil })).status).toBe(200)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('does not depend on a host whose waitUntil throws', async () => {
    const { receiver, api } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.approve(id)
    const waitUntil = (): void => {
      throw new Error('no context')
    }
    expect((await receiver.fetch(callbackRequest(id), { waitUntil })).status).toBe(200)
  })

  it('gives each copy 202 at once, and frees its place in flight with its own response', async () => {
    const work = gate()
    const { receiver, api, runs, send } = answersBench({ sweep: 'elsewhere', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const first = collect(send())
    await pass(5_000)
    const copy = await send()
    expect([copy.status, await copy.json()]).toEqual([202, { result: 'in-progress' }])
    expect(first).toEqual([])
    await pass(3_000)
    expect(first.map(({ status }) => status)).toEqual([202])
    expect(await receiver.stats()).toMatchObject({ inFlight: 0, working: 1 })
    work.open()
    await pass(0)
    expect(await receiver.stats()).toMatchObject({ inFlight: 0, working: 0 })
    expect(runs).toHaveLength(1)
  })

  it('gives each copy 409 at once without a sweep, and the first callback the outcome', async () => {
    const work = gate()
    const { receiver, api, runs, send } = answersBench({ sweep: 'off', onDecision: () => work.promise })
    await receiver.track(id, tracked)
    api.approve(id)
    const first = collect(send())
    await pass(5_000)
    const copies = await Promise.all([send(), send()])
    expect(copies.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
      [409, '25'],
      [409, '25'],
    ])
    work.open()
    await pass(0)
    expect(first.map(({ status }) => status)).toEqual([200])
    expect(runs).toHaveLength(1)
  })
})

describe('the minimum interval between two polls of one approval', () => {
  it('causes 202 without an API call if swept, and the next poll is due at its end', async () => {
    const { receiver, api, send, snapshot } = answersBench({ sweep: 'elsewhere' })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    await pass(1_999)
    const answer = await send()
    expect([answer.status, await answer.json()]).toEqual([202, { result: 'too-soon' }])
    expect(api.gets).toHaveLength(1)
    expect(await snapshot()).toMatchObject({ dueInMs: 1 })
  })

  it.each([0, 500, 1_999])(
    'is waited out without a sweep, and the API is polled at its end (%i ms)',
    async (passed) => {
      const { receiver, api, send } = answersBench({ sweep: 'off' })
      await receiver.track(id, tracked)
      api.pend(id)
      await send()
      await pass(passed)
      api.approve(id)
      const answers = collect(send())
      await pass(2_000 - passed)
      expect([answers.length, api.gets.length]).toEqual([0, 1])
      await pass(1)
      expect([answers.map(({ status }) => status), api.gets.length]).toEqual([[200], 2])
    },
  )

  it('is waited out by one callback without a sweep: its copies get 409', async () => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    api.approve(id)
    const first = collect(send())
    await pass(500)
    const copies = await Promise.all([send(), send()])
    expect(copies.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
      [409, '2'],
      [409, '2'],
    ])
    await pass(1_501)
    expect(first.map(({ status }) => status)).toEqual([200])
    expect([api.gets.length, runs.length]).toEqual([2, 1])
  })

  it('is waited out by the next callback once the first has its response', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    const first = collect(send())
    await pass(2_001)
    api.approve(id)
    const next = collect(send())
    await pass(2_001)
    expect([...first, ...next].map(({ status }) => status)).toEqual([409, 200])
  })

  it.each(columns)('is over after confirm.minIntervalMs: a receiver that is %s polls at once', async (_, sweep) => {
    const { receiver, api, send } = answersBench({ sweep, confirm: { minIntervalMs: 700 } })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    await pass(700)
    api.approve(id)
    expect((await send()).status).toBe(200)
  })

  it.each(columns)('limits a flood to one GET per interval if the receiver is %s', async (_, sweep) => {
    const { receiver, api, runs, send } = answersBench({ sweep })
    await receiver.track(id, tracked)
    api.pend(id)
    for (let each = 0; each < 250; each++) {
      void send() // answered some time
      await pass(20)
    }
    expect(api.gets).toHaveLength(3)
    expect(runs).toEqual([])
  })
})

describe('an API whose reads lag behind the callback', () => {
  it('delays the decision by seconds only: the approval is polled again after the minimum interval, three times', async () => {
    const { receiver, api, runs, send, snapshot } = answersBench({ sweep: 'elsewhere', polling: { firstMs: 600_000 } })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    for (const _ of [1, 2]) {
      expect(await snapshot()).toMatchObject({ dueInMs: 2_000 })
      await pass(2_000)
      await receiver.reconcile()
    }
    await pass(2_000)
    api.approve(id)
    await receiver.reconcile()
    expect(runs).toHaveLength(1)
  })
})

describe('the budget of callbacks', () => {
  it('is refilled at its rate, and the next callback is handled', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'elsewhere', confirm: { requestsPerSecond: 1 } })
    await receiver.track(id, tracked)
    await receiver.track('req_0', tracked)
    api.approve(id)
    await send({}, 'req_0')
    await pass(999)
    expect((await send()).status).toBe(202)
    await pass(1)
    expect((await send()).status).toBe(200)
  })

  it('is unlimited if it is Infinity', async () => {
    const { receiver, api, send } = answersBench({
      sweep: 'off',
      confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
      polling: { concurrency: 1_000 },
    })
    const ids = Array.from({ length: 200 }, (_, at) => `req_${at}`)
    for (const each of ids) {
      await receiver.track(each, tracked)
      api.approve(each)
    }
    const answers = await Promise.all(ids.map((each) => send({}, each)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  })

  it('is not needed by callbacks with a valid token, however many spoofed ids come without one', async () => {
    const { receiver, api, send } = answersBench({
      ...{ sweep: 'elsewhere', callbackUrl, confirm: { requestsPerSecond: 4 } },
    })
    const spoofed = Array.from({ length: 20 }, (_, at) => `spoofed_${at}`)
    for (const each of spoofed) {
      await receiver.track(each, tracked)
      api.pend(each)
    }
    const statuses: number[] = []
    for (let second = 1; second <= 5; second++) {
      for (let quarter = 0; quarter < 4; quarter++) {
        await pass(250)
        for (const each of spoofed) await send({}, each)
      }
      const genuine = `genuine_${second}`
      const { url, ref } = receiver.callbackUrl()
      await receiver.track(genuine, { ...tracked, ref })
      api.approve(genuine)
      statuses.push((await send({ url }, genuine)).status)
      expect(api.gets.length).toBeLessThanOrEqual(4 + 4 * second + second)
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200])
  })

  it('is not reserved during the store read for unknown ids', async () => {
    const { receiver, api, faulty, send } = answersBench({ sweep: 'elsewhere', confirm: { requestsPerSecond: 10 } })
    await receiver.track(id, tracked)
    api.approve(id)
    const store = faulty.hold('read')
    const unknown = Array.from({ length: 20 }, (_, at) => send({}, `unknown_${at}`))
    await pass(1)
    const genuine = send()
    await pass(1)
    store.open()
    expect((await genuine).status).toBe(200)
    expect(new Set((await Promise.all(unknown)).map(({ status }) => status))).toEqual(new Set([404]))
    expect(api.gets).toHaveLength(1)
  })

  it('is not spent by callbacks without an API call: unknown, completed, parked', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'elsewhere', confirm: { requestsPerSecond: 2 } })
    for (const each of ['done', 'parked', id, 'req_2']) await receiver.track(each, tracked)
    api.approve('done')
    await send({}, 'done')
    api.approve('parked', { modifiedDetails: {} })
    await send({}, 'parked')
    await pass(1_000)
    for (let each = 0; each < 10; each++) for (const other of ['done', 'parked', 'unknown']) await send({}, other)
    const statuses: number[] = []
    for (const each of [id, 'req_2']) {
      api.approve(each)
      statuses.push((await send({}, each)).status)
    }
    expect(statuses).toEqual([200, 200])
  })

  it('once spent does not change responses that need no GET', async () => {
    const { receiver, api, send, forget } = answersBench({ sweep: 'off', confirm: { requestsPerSecond: 2 } })
    for (const each of ['done', 'parked']) await receiver.track(each, tracked)
    api.approve('done')
    await send({}, 'done')
    api.approve('parked', { modifiedDetails: {} })
    await send({}, 'parked')
    forget()
    const answers = await Promise.all(['unknown', 'done', 'parked'].map((each) => send({}, each)))
    expect(answers.map(({ status }) => status)).toEqual([404, 200, 202])
    expect(api.gets).toEqual([])
  })

  it('once spent still refuses the token of another record', async () => {
    const { receiver, api, send, snapshot } = answersBench({
      ...{ sweep: 'off', callbackUrl, callbackSecret },
      confirm: { requestsPerSecond: 1 },
    })
    const [own, other] = [receiver.callbackUrl(), receiver.callbackUrl()]
    await receiver.track(id, { ...tracked, ref: own.ref })
    await receiver.track('req_0', { ...tracked, ref: other.ref })
    await send({ url: other.url }, 'req_0')
    const before = await snapshot()
    expect((await send({ url: other.url })).status).toBe(401)
    expect(await snapshot()).toEqual(before)
    expect(api.gets).toHaveLength(1)
  })

  it('once spent does not stop callbacks with a valid token: each is handled at once', async () => {
    const { receiver, api, send } = answersBench({
      ...{ sweep: 'elsewhere', callbackUrl, callbackSecret, confirm: { requestsPerSecond: 2 } },
    })
    const urls: string[] = []
    for (let at = 0; at < 14; at++) {
      const { url, ref } = receiver.callbackUrl()
      urls.push(url)
      await receiver.track(`req_${at}`, { ...tracked, ref })
      api.approve(`req_${at}`)
    }
    const answers = await Promise.all(urls.map((url, at) => send({ url }, `req_${at}`)))
    expect(answers.map(({ status }) => status)).toEqual(urls.map(() => 200))
    expect(api.gets).toHaveLength(14)
  })

  it('does not bypass a pause: a callback with a valid token causes no API call while the API throttles', async () => {
    const { receiver, api, send } = answersBench({ ...{ sweep: 'off', callbackUrl, callbackSecret } })
    const [first, second] = [receiver.callbackUrl(), receiver.callbackUrl()]
    await receiver.track('req_0', { ...tracked, ref: first.ref })
    await receiver.track(id, { ...tracked, ref: second.ref })
    api.answer('req_0', { status: 429 })
    const statuses = [await send({ url: first.url }, 'req_0'), await send({ url: second.url })].map(
      ({ status }) => status,
    )
    expect(statuses).toEqual([503, 503])
    expect(api.gets).toHaveLength(1)
  })

  it('is separate for each assistant', async () => {
    const { receiver, api, send } = answersBench({
      ...{ sweep: 'off', apiKey: undefined, apiKeys: { billing: 'cq_live_billing', support: 'cq_live_support' } },
      confirm: { requestsPerSecond: 1 },
    })
    for (const [each, assistant] of [
      ['req_0', 'billing'],
      [id, 'billing'],
      ['req_2', 'support'],
    ] as const) {
      await receiver.track(each, { ...tracked, assistant })
      api.approve(each)
    }
    const statuses: number[] = []
    for (const each of ['req_0', id, 'req_2']) statuses.push((await send({}, each)).status)
    expect(statuses).toEqual([200, 429, 200])
    expect(api.keys).toEqual(['cq_live_billing', 'cq_live_support'])
  })
})

describe('a callback that arrives while its request is being registered', () => {
  it('is refused, and the request is due at once when it is registered', async () => {
    const { receiver, send, faulty, snapshot } = answersBench({ sweep: 'elsewhere' })
    const store = faulty.hold('write')
    const registered = receiver.track(id, tracked)
    await pass(1)
    expect((await send()).status).toBe(404)
    store.open()
    await registered
    expect(await snapshot()).toMatchObject({ state: 'pending', dueInMs: 0 })
  })
})

describe('a decision that must not run', () => {
  it('gets its response after the park is stored, and not before', async () => {
    const held: Gate[] = []
    const details: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate() {
          // The next write parks the approval.
          held.push(bench.faulty.hold('write'))
          return { issues: [{ message: 'no' }] }
        },
      },
    }
    const bench = answersBench({ sweep: 'elsewhere', actions: { [action]: { details, onDecision: () => {} } } })
    const { receiver, api, send, snapshot } = bench
    await receiver.track(id, tracked)
    api.approve(id, { modifiedDetails: { ...tracked.details } })
    let answered = false
    const answer = send().finally(() => {
      answered = true
    })
    await pass(100)
    expect(answered).toBe(false)
    for (const each of held) each.open()
    expect((await answer).status).toBe(200)
    expect(await snapshot()).toMatchObject({ state: 'parked', reason: 'edit-invalid' })
  })
})

describe('a callback during the poll of another process', () => {
  it('is not lost in a long back-off: if that poll is undecided, the next is due after the minimum interval', async () => {
    const polling = { firstMs: 60_000, maxMs: 600_000 }
    const sweeper = answersBench({ sweep: 'off', polling })
    const { send, snapshot, api } = answersBench({ sweep: 'elsewhere', polling }, sweeper.store)
    await sweeper.receiver.track(id, tracked)
    sweeper.api.answer(id, () => 'hang')
    await pass(60_000)
    const swept = sweeper.receiver.reconcile()
    await pass(0)
    expect((await send()).status).toBe(202)
    sweeper.api.pend(id)
    sweeper.api.resume()
    await swept
    expect(await snapshot()).toMatchObject({ state: 'pending', dueInMs: 2_000 })
    expect(api.gets).toEqual([])
  })
})

describe('an API that throttles', () => {
  it.each([
    ['120', 120_000],
    ['0', 1_000],
    ['99999999', 900_000],
    ['Fri, 20 Nov 2026 10:02:00 GMT', 120_000],
    ['Fri, 20 Nov 2026 09:00:00 GMT', 1_000],
    ['soon', 30_000],
    ['-5', 30_000],
    [undefined, 30_000],
  ])('with Retry-After %s pauses its assistant for %i ms, and is polled again after that', async (header, forMs) => {
    const { receiver, api, events, send } = answersBench({ sweep: 'elsewhere' })
    await receiver.track(id, tracked)
    api.answer(id, { status: 429, headers: header === undefined ? {} : { 'retry-after': header } })
    await send()
    expect(eventsOf(events, 'paused')).toEqual([{ type: 'paused', assistant: null, forMs }])
    api.approve(id)
    await pass(forMs - 1)
    expect((await send()).status).toBe(202)
    expect(api.gets).toHaveLength(1)
    await pass(Math.max(1, 2_001 - forMs)) // the minimum interval of the approval itself is over by then
    expect((await send()).status).toBe(200)
  })

  it('pauses no other assistant', async () => {
    const { receiver, api, send } = answersBench({
      ...{ sweep: 'off', apiKey: undefined, apiKeys: { billing: 'cq_live_billing', support: 'cq_live_support' } },
    })
    await receiver.track(id, { ...tracked, assistant: 'billing' })
    await receiver.track('req_2', { ...tracked, assistant: 'support' })
    api.answer(id, { status: 429 })
    api.approve('req_2')
    expect((await send()).status).toBe(503)
    expect((await send({}, 'req_2')).status).toBe(200)
  })
})

describe('a key that the API refuses', () => {
  it('counts no attempt, parks nothing, and is retried after a minute, so that a key rotation fixes it', async () => {
    const { receiver, api, events, send, snapshot } = answersBench({ sweep: 'elsewhere' })
    await receiver.track(id, tracked)
    api.answer(id, { status: 401 })
    await send()
    api.approve(id)
    await pass(59_999)
    expect((await send()).status).toBe(202)
    expect(await snapshot()).toMatchObject({ state: 'pending', attempts: 0 })
    await pass(1)
    expect((await send()).status).toBe(200)
    expect(eventsOf(events, 'api-key-refused')).toEqual([{ type: 'api-key-refused', assistant: null }])
  })

  it('is followed by the next key during a rotation, within the same callback', async () => {
    let asked = 0
    const { receiver, api, send } = answersBench({ sweep: 'off', apiKey: ['cq_live_new', 'cq_live_old'] })
    await receiver.track(id, tracked)
    api.answer(id, () => (asked++ === 0 ? { status: 401 } : { body: { id, status: 'APPROVED' } }))
    expect((await send()).status).toBe(200)
    expect(api.keys).toEqual(['cq_live_new', 'cq_live_old'])
  })
})

describe('an action without a handler', () => {
  it('is handled by a process that has one, as in a rolling deploy', async () => {
    const old = answersBench({
      sweep: 'elsewhere',
      onDecision: undefined,
      actions: { other: { onDecision: () => {} } },
    })
    const current = answersBench({ sweep: 'elsewhere' }, old.store)
    await old.receiver.track(id, tracked)
    current.api.approve(id)
    expect((await old.send()).status).toBe(202)
    await pass(2_000)
    expect((await current.send()).status).toBe(200)
    expect(current.runs).toHaveLength(1)
  })

  it('does not resolve to a property that every object has', async () => {
    const bench = answersBench({ sweep: 'off', onDecision: undefined, actions: { other: { onDecision: () => {} } } })
    await bench.receiver.track(id, { ...tracked, action: 'toString' })
    bench.api.approve(id)
    expect((await bench.send()).status).toBe(500)
  })
})

describe('a status word', () => {
  it.each([
    'APPROVED ',
    ' approved',
    'approved\0',
    'APPROVED\n',
    'APPROVED_BY_AI',
    'apprоved',
    'ＡＰＰＲＯＶＥＤ',
    'approved.',
    'ESCALATED',
    'true',
    '',
  ])('that is undocumented decides nothing: %j', async (status) => {
    const { receiver, api, runs, events, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.answer(id, { body: { id, status } })
    expect((await send()).status).toBe(409)
    expect(runs).toEqual([])
    const word = status.replace('\0', '\\u{0}').replace('\n', '\\u{a}')
    expect(eventsOf(events, 'unknown-status')).toEqual([{ type: 'unknown-status', approvalId: id, word }])
  })

  it.each([
    ['APPROVED', 'approved'],
    ['Approved', 'approved'],
    ['rejected', 'rejected'],
    ['DECLINED', 'rejected'],
    ['EXPIRED', 'expired'],
    ['timed_out', 'expired'],
    ['CANCELLED', 'expired'],
    ['canceled', 'expired'],
  ])('%s of the API is %s for the handler', async (word, status) => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.answer(id, { body: { id, status: word } })
    await send()
    expect(runs.map((decision) => decision.status)).toEqual([status])
  })

  it('that is unknown is reported once per word, for all approvals', async () => {
    const { receiver, api, events, send } = answersBench({ sweep: 'elsewhere' })
    for (const [each, status] of [
      [id, 'ESCALATED'],
      ['req_2', 'ESCALATED'],
      ['req_3', 'ON_HOLD'],
    ] as const) {
      await receiver.track(each, tracked)
      api.answer(each, { body: { id: each, status } })
      await send({}, each)
    }
    expect(eventsOf(events, 'unknown-status').map(({ word }) => word)).toEqual(['ESCALATED', 'ON_HOLD'])
  })
})

describe('the claims of a callback', () => {
  it.each<[string, JsonObject, readonly string[]]>([
    ['nothing', {}, []],
    ['the same in another case', { status: 'APPROVED' }, []],
    ['another status', { status: 'rejected' }, ['status']],
    ['a status that nobody knows', { status: 'maybe' }, ['status']],
    ['the same edit, its keys in another order', { modifiedDetails: { amount: 80, orderId: '8842' } }, []],
    ['another edit', { modifiedDetails: { orderId: '8842', amount: 8_000 } }, ['modifiedDetails']],
    ['no edit', { modifiedDetails: null }, ['modifiedDetails']],
    ['another note', { decisionNote: 'twice' }, ['decisionNote']],
    [
      'everything else',
      { status: 'rejected', modifiedDetails: {}, decisionNote: 'no' },
      ['status', 'modifiedDetails', 'decisionNote'],
    ],
  ])('are compared with the API, and the event names the fields that differ: %s', async (_, claimed, fields) => {
    const { receiver, api, runs, events, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    const modifiedDetails = { orderId: '8842', amount: 80 }
    api.approve(id, { modifiedDetails, decisionNote: 'once' })
    expect((await send({ body: { approvalId: id, ...claimed } })).status).toBe(200)
    expect(eventsOf(events, 'mismatch')).toEqual(
      fields.length === 0 ? [] : [{ type: 'mismatch', approvalId: id, fields }],
    )
    expect(runs).toMatchObject([{ status: 'approved', details: modifiedDetails, modifiedDetails, note: 'once' }])
  })

  it('never reach the handler, the store or an event', async () => {
    const claimed = fc.record(
      {
        status: fc.constantFrom('approved', 'rejected', 'expired', `status-${canary}`),
        modifiedDetails: fc.jsonValue({ maxDepth: 2 }).map((value) => ({ [canary]: value, amount: canary })),
        decisionNote: fc.constantFrom(canary, { [canary]: canary }, [canary]),
        decidedAt: fc.constant(canary),
        details: fc.constant({ amount: canary }),
        action: fc.constant(canary),
        statusUrl: fc.constant(`https://evil.test/${canary}`),
        callbackUrl: fc.constant(`https://evil.test/${canary}`),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(claimed, async (body) => {
        const { receiver, api, runs, events, store, send } = answersBench({ sweep: 'off', apiKey: 'cq_live_test' })
        await receiver.track(id, { action, details: { amount: 120 } })
        api.approve(id)
        await send({ body: { approvalId: id, ...body } })
        expect(runs).toHaveLength(1)
        expect(runs[0]).toMatchObject({
          action,
          status: 'approved',
          details: { amount: 120 },
          modifiedDetails: null,
          note: null,
        })
        expect(JSON.stringify([runs, events, await store.read(`a:${id}`), api.gets])).not.toContain(canary)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a decision', () => {
  it('stays as recorded, whatever the API says later, and is not polled again', async () => {
    let starts = 0
    const { receiver, api, runs, send } = answersBench({
      sweep: 'off',
      onDecision: () => (starts++ === 0 ? Promise.reject(new Error(canary)) : undefined),
    })
    await receiver.track(id, tracked)
    api.approve(id)
    expect((await send()).status).toBe(500)
    api.reject(id)
    await pass(1_000)
    const again = await send({ body: { approvalId: id, status: 'rejected' } })
    expect([again.status, await again.json()]).toEqual([200, { result: 'handled' }])
    expect(runs.map(({ status }) => status)).toEqual(['approved', 'approved'])
    expect(api.gets).toHaveLength(1)
  })

  it.each(['soon', '', 7, { at: 1 }, null, undefined])(
    'with the date %j is handled, and the handler gets null as date',
    async (decidedAt) => {
      const { receiver, api, runs, send } = answersBench({ sweep: 'off' })
      await receiver.track(id, tracked)
      api.approve(id, { decidedAt })
      expect((await send()).status).toBe(200)
      expect(runs[0]?.decidedAt).toBeNull()
    },
  )

  it('gives the same response to a thousand copies, and is handled once', async () => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'elsewhere' })
    await receiver.track(id, tracked)
    api.approve(id)
    const bodies = new Set<string>()
    for (let each = 0; each < 1_000; each++) bodies.add(await (await send()).text())
    expect([...bodies]).toEqual(['{"result":"handled"}'])
    expect([runs.length, api.gets.length]).toEqual([1, 1])
  })

  it('whose tombstone expired is unknown: a later copy runs nothing', async () => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'elsewhere', retentionMs: 900_000 })
    await receiver.track(id, tracked)
    api.approve(id)
    await send()
    await pass(899_999)
    expect((await send()).status).toBe(200)
    await pass(2)
    expect((await send()).status).toBe(404)
    expect([runs.length, api.gets.length]).toEqual([1, 1])
  })

  it.each(['__proto__', 'constructor', 'toString'])('is handled under the id %s', async (nasty) => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'off' })
    await receiver.track(nasty, tracked)
    api.approve(nasty)
    expect((await send({ body: `{"approvalId":"${nasty}"}` })).status).toBe(200)
    expect(runs).toMatchObject([{ approvalId: nasty, details }])
  })
})

describe('a callback that arrives before its request is registered', () => {
  it('is refused as unknown, and remembered for a minute, so that the request is due at once', async () => {
    const { receiver, send, snapshot } = answersBench({ sweep: 'elsewhere', polling: { firstMs: 12_345 } })
    await send()
    await send({}, 'req_2')
    await pass(59_999)
    await receiver.track(id, tracked)
    expect(await snapshot()).toMatchObject({ dueInMs: 0 })
    await pass(2)
    await receiver.track('req_2', tracked)
    expect(await snapshot('req_2')).toMatchObject({ dueInMs: 12_345 })
  })

  it('is remembered among the last thousand unknown ids, and neither more nor known ones are kept', async () => {
    const { receiver, send, snapshot } = answersBench({ sweep: 'elsewhere', polling: { firstMs: 12_345 } })
    await send({}, 'first')
    await send({}, 'second')
    await receiver.track(id, tracked)
    await send()
    for (let index = 0; index < 999; index++) await send({}, `stranger_${index}`)
    await receiver.track('second', tracked)
    expect(await snapshot('second')).toMatchObject({ dueInMs: 0 })
    await receiver.track('first', tracked)
    expect(await snapshot('first')).toMatchObject({ dueInMs: 12_345 })
  })
})

describe('a store that is down', () => {
  it.each(columns)('is called again with the next callback if the receiver is %s', async (_, sweep) => {
    const { receiver, api, faulty, send } = answersBench({ sweep })
    await receiver.track(id, tracked)
    api.approve(id)
    faulty.fail()
    expect((await send()).status).toBe(503)
    faulty.mend()
    expect((await send()).status).toBe(200)
  })

  it('or unsuitable causes 503 until its check passes, and is not checked again after that', async () => {
    const { api, faulty, store, send } = answersBench({ sweep: 'elsewhere' })
    await addApproval(store, id)
    api.approve(id)
    faulty.fail('check')
    expect((await send()).status).toBe(503)
    expect(api.gets).toEqual([])
    faulty.mend()
    expect((await send()).status).toBe(200)
    await send()
    expect(faulty.timesOf('check')).toHaveLength(2)
  })

  it('causes 503 for every error of its check, also one that a wrong callback would have', async () => {
    const { faulty, send } = answersBench({ sweep: 'elsewhere' })
    faulty.failWith(new CheqpointError('argument-invalid', 'cursor must be from a page of list()'), 'check')
    expect((await send()).status).toBe(503)
  })

  it('is checked once for simultaneous callbacks', async () => {
    const { faulty, send } = answersBench({ sweep: 'elsewhere' })
    await Promise.all([send(), send(), send()])
    expect(faulty.timesOf('check')).toHaveLength(1)
  })
})

describe('the checks before the body', () => {
  const unread = (): Request => callbackRequest(id, { headers: { 'user-agent': 'curl/8.5.0' } })

  it('start with the method, then closing, then overload, then the agent', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'off', callbacks: { maxInFlight: 1 } })
    await receiver.track(id, tracked)
    expect((await receiver.fetch(unread())).status).toBe(403)
    api.answer(id, () => 'hang')
    const hanging = send()
    await pass(0)
    expect(await codeOf(receiver.fetch(unread()))).toBe('overloaded')
    const closing = receiver.close({ drainMs: 0 })
    expect(await codeOf(receiver.fetch(unread()))).toBe('closing')
    expect(await codeOf(receiver.fetch(callbackRequest(id, { method: 'GET' })))).toBe('method-not-allowed')
    await pass(10_000)
    await Promise.all([closing, hanging])
  })

  it('leave the body unread when they refuse', async () => {
    const { receiver, send } = answersBench({ sweep: 'off' })
    const request = unread()
    await receiver.fetch(request)
    expect(request.bodyUsed).toBe(false)
    await receiver.close()
    const late = callbackRequest(id)
    await receiver.fetch(late)
    expect(late.bodyUsed).toBe(false)
    expect((await send()).status).toBe(503)
  })

  it('free a place after the response to a callback', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'off', callbacks: { maxInFlight: 1 } })
    await receiver.track(id, tracked)
    api.approve(id)
    const statuses: number[] = []
    for (const body of ['{', { approvalId: 'unknown' }, undefined, undefined])
      statuses.push((await send({ body })).status)
    expect(statuses).toEqual([400, 404, 200, 200])
  })
})

describe('a receiver that sweeps here', () => {
  it('responds as swept only between start and close', async () => {
    const { receiver, api, send } = answersBench({ sweep: 'here', polling: { firstMs: 600_000 } })
    await receiver.track(id, tracked)
    await receiver.track('req_2', tracked)
    api.pend(id)
    api.pend('req_2')
    expect((await send()).status).toBe(409)
    await receiver.start()
    expect((await send({}, 'req_2')).status).toBe(202)
    const closing = receiver.close()
    await pass(1_000)
    await closing
    expect((await send()).status).toBe(503)
  })
})

/** The response, once it has arrived. */
function collect<Value>(promise: Promise<Value>): readonly Value[] {
  const values: Value[] = []
  void promise.then((value) => values.push(value)) // what rejects fails the test as unhandled
  return values
}

async function codeOf(answer: Promise<Response>): Promise<unknown> {
  const body: Readonly<Record<string, unknown>> = (await (await answer).json()) as Readonly<Record<string, unknown>> // a problem is an object
  return body['code']
}
