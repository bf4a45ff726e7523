import assert from 'node:assert/strict'
import {
  type Client,
  createClient,
  createReceiver,
  isCheqpointError,
  memoryStore,
  type Receiver,
  type ReceiverOptions,
} from 'cheqpoint-callback'
import { honoCallback } from 'cheqpoint-callback/hono'
import { Hono } from 'hono'

/*
 * The checks of every runtime. They need a simulator and the APIs of wrong-api.ts.
 */

export type Checks = Readonly<Record<string, () => Promise<void>>>
export type Fetch = (request: Request) => Response | Promise<Response>

/** Entry point of requests. */
export interface Host {
  readonly origin: string
  stop(): Promise<void>
}

export interface Surroundings {
  readonly simulatorUrl: string | undefined
  readonly wrongUrl: string | undefined
  /** Serves requests with the server of the runtime. */
  serveFetch(fetch: Fetch): Promise<Host>
}

export const apiKey = 'cq_live_runtimes'
export const request = { action: 'process_refund', summary: 'Refund $120', details: { orderId: '8842', amount: 120 } }
export const onDecision: ReceiverOptions['onDecision'] = ({ via, status }) => ({ via, status })

/** Approves as the simulator's page does, after the response to the submission: before it, the callback has no id. */
async function approve(simulatorUrl: string | undefined, id: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ id, status: 'approved' })
  const { ok } = await fetch(`${simulatorUrl}/ui/decide`, { method: 'POST', headers, body })
  assert.ok(ok, 'the simulator did not approve')
}

/** Submits through a receiver, and checks that the sweep finds the decision, which has no callback. */
export async function submitAndFind(options: Partial<ReceiverOptions>): Promise<void> {
  const receiver = createReceiver({ apiKey, store: memoryStore(), polling: { firstMs: 50 }, onDecision, ...options })
  await receiver.start()
  const { approvalId } = await receiver.submit(request)
  await approve(options.baseUrl, approvalId)
  const { result } = await receiver.wait(approvalId, { timeoutMs: 50_000 })
  assert.deepEqual(result, { via: 'poll', status: 'approved' })
  await receiver.close()
}

/** Submits through a receiver behind a host, and checks that the callback brings the decision. */
export async function roundTrip(
  baseUrl: string | undefined,
  hostOf: (receiver: Receiver) => Promise<Host>,
): Promise<void> {
  // createReceiver tests it at once with a sample token, when no host is there yet.
  let origin = 'http://127.0.0.1:1'
  const receiver = createReceiver({
    ...{ apiKey, baseUrl, onDecision, polling: { firstMs: 60_000 } },
    callbackSecret: 'a secret of the runtime checks',
    callbackUrl: (token) => `${origin}/webhooks/cheqpoint?token=${token}`,
  })
  const host = await hostOf(receiver)
  origin = host.origin
  try {
    await receiver.start()
    const { approvalId } = await receiver.submit(request)
    await approve(baseUrl, approvalId)
    const { result } = await receiver.wait(approvalId, { timeoutMs: 50_000 })
    assert.deepEqual(result, { via: 'callback', status: 'approved' })
    const url = `${origin}/webhooks/cheqpoint`
    const headers = { 'content-type': 'application/json', 'user-agent': 'Cheqpoint-Callback/1.0' }
    const body = JSON.stringify({ approvalId, status: 'approved' })
    assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 401)
    assert.equal((await fetch(url)).status, 405)
    assert.equal((await fetch(url, { method: 'POST', headers: { ...headers, 'user-agent': 'x' }, body })).status, 403)
  } finally {
    await receiver.close()
    await host.stop()
  }
}

export function checksEverywhere({ simulatorUrl: baseUrl, wrongUrl, serveFetch }: Surroundings): Checks {
  const clientOf = (api: string, timeoutMs = 20_000): Client =>
    createClient({ apiKey, baseUrl: `${wrongUrl}/${api}`, timeoutMs, maxResponseBytes: 65_536 })
  return {
    'submit, find a lost callback, wait': () => submitAndFind({ baseUrl }),
    'receiver.fetch': () => roundTrip(baseUrl, (receiver) => serveFetch((each) => receiver.fetch(each))),
    'receiver.fetch refuses a body that is too large': async () => {
      const receiver = createReceiver({ apiKey, baseUrl, sweep: 'off', onDecision })
      const host = await serveFetch((each) => receiver.fetch(each))
      const headers = { 'content-type': 'application/json', 'user-agent': 'Cheqpoint-Callback/1.0' }
      const body = new Blob(['x'.repeat(300_000)]).stream()
      const init = { method: 'POST', headers, body, duplex: 'half' } as const
      assert.equal((await fetch(`${host.origin}/`, init)).status, 413)
      await receiver.close()
      await host.stop()
    },
    honoCallback: () =>
      roundTrip(baseUrl, (receiver) => {
        const app = new Hono().all('/webhooks/cheqpoint', honoCallback(receiver))
        return serveFetch((each) => app.fetch(each))
      }),
    'wrong answers of the API are refused': async () => {
      const codes: Record<string, string> = {}
      for (const api of ['redirects', 'encodes', 'floods', 'breaks off', 'is silent']) {
        const client = clientOf(api.replace(' ', '-'), api === 'is silent' ? 500 : 20_000)
        codes[api] = await codeOf(client.get('req_1'))
        await client.close()
      }
      const unreadable = 'api-unreadable'
      const cut = codes['breaks off']
      assert.ok(cut === 'api-broken-off' || cut === unreadable, cut)
      const { 'breaks off': _, ...others } = codes
      const wanted = { redirects: 'api-redirect', encodes: unreadable, floods: unreadable, 'is silent': 'api-timeout' }
      assert.deepEqual(others, wanted)
      assert.equal(await countOf('elsewhere'), 0)
    },
    'a submission whose connection breaks is not sent again': async () => {
      const client = clientOf('answers-once')
      await client.get('req_1')
      const before = await countOf('answers-once')
      assert.equal(await codeOf(client.request(request)), 'api-broken-off')
      assert.equal((await countOf('answers-once')) - before, 1)
      await client.close()
    },
  }

  /** Number of requests to one of the wrong APIs. */
  async function countOf(api: string): Promise<number> {
    return Number(await (await fetch(`${wrongUrl}/count/${api}`)).text())
  }
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'an answer',
    (error: unknown) => (isCheqpointError(error) ? error.code : String(error)),
  )
}

/** The error of a check, or `null`. */
export async function tried(check: () => Promise<void>): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done in 60 s')), 60_000)
  })
  try {
    await Promise.race([check(), late])
    return null
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `, ${error.cause.message}` : ''
    return error instanceof Error ? `${error.message}${cause}`.split('\n').join(' ') : String(error)
  } finally {
    clearTimeout(timer)
  }
}
