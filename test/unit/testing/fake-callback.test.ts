import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type CheqpointEvent, createReceiver, type TypedReceiver } from '../../../src/index.js'
import { createSimulator, type Simulator } from '../../../src/simulator/index.js'
import { fakeCallback } from '../../../src/testing/index.js'

const apiKey = 'cq_live_fake_callback'
const secret = 'a secret of the fake callbacks'
const request = { action: 'process_refund', summary: 'Refund $120', details: { amount: 120 } }
const callbackUrl = 'https://app.test/hooks'

let simulator: Simulator
let baseUrl: string
let receiver: TypedReceiver
let seen: (string | null)[]
let events: CheqpointEvent[]

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
  baseUrl = (await simulator.listen()).url
  seen = []
  events = []
  receiver = open()
})
afterEach(async () => {
  await receiver.close()
  await simulator.close()
})

function open(rest: { readonly callbackUrl?: string; readonly callbackSecret?: string } = {}): TypedReceiver {
  return createReceiver({
    apiKey,
    baseUrl,
    ...rest,
    onDecision: ({ status, note }) => void seen.push(`${status}: ${note}`),
    onEvent: (event) => void events.push(event),
  })
}

describe('fakeCallback', () => {
  it('sends the same as the simulator, byte for byte', async () => {
    const received: { method: string | undefined; headers: Record<string, unknown>; body: string }[] = []
    const server = createServer(async (incoming, outgoing) => {
      let body = ''
      for await (const chunk of incoming) body += chunk
      const { 'content-type': type, 'user-agent': agent } = incoming.headers
      received.push({ method: incoming.method, headers: { type, agent }, body })
      outgoing.end()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const to = `http://127.0.0.1:${address.port}/hooks`
    const claims = { status: 'rejected', modifiedDetails: { amount: 1 }, decisionNote: 'No.' }
    await simulator.sendCallback({ to, approvalId: 'req_1' })
    await fetch(fakeCallback('req_1', { url: to }))
    await simulator.sendCallback({ to, approvalId: 'req_1', ...claims })
    await fetch(fakeCallback('req_1', { url: to, ...claims }))
    expect(received[0]?.headers).toEqual({ type: 'application/json', agent: 'Cheqpoint-Callback/1.0' })
    expect(received[1]).toEqual(received[0])
    expect(received[3]).toEqual(received[2])
    expect(received[2]?.body).toContain('"decisionNote":"No."')
  })

  it('makes a receiver send a GET, whose response counts', async () => {
    const { approvalId } = await receiver.submit(request)
    simulator.decide(approvalId, { status: 'rejected', note: 'Too much.' })
    const response = await receiver.fetch(fakeCallback(approvalId, { status: 'approved', decisionNote: 'Fine.' }))
    expect(response.status).toBe(200)
    expect(seen).toEqual(['rejected: Too much.'])
    expect(events).toContainEqual({ type: 'mismatch', approvalId, fields: ['status', 'decisionNote'] })
  })

  it('runs nothing without a decision', async () => {
    const { approvalId } = await receiver.submit(request)
    const response = await receiver.fetch(fakeCallback(approvalId))
    expect(await response.json()).toMatchObject({ code: 'undecided' })
    expect(seen).toEqual([])
  })

  it('is taken with a secret only at the URL that was submitted', async () => {
    await receiver.close()
    receiver = open({ callbackUrl, callbackSecret: secret })
    const { approvalId } = await receiver.submit(request)
    simulator.faults.drop = true
    simulator.decide(approvalId, { status: 'approved' })
    const [submitted] = simulator.list()
    expect((await receiver.fetch(fakeCallback(approvalId, { url: callbackUrl }))).status).toBe(401)
    const genuine = fakeCallback(approvalId, { url: submitted?.callbackUrl ?? '' })
    expect((await receiver.fetch(genuine)).status).toBe(200)
    expect(seen).toEqual(['approved: null'])
  })

  it('has another agent where one is named', async () => {
    const response = await receiver.fetch(fakeCallback('req_1', { agent: 'curl/8' }))
    expect(response.status).toBe(403)
  })

  it.each([
    ['null', null, '{ status }'],
    ['a text', 'rejected', '{ status }'],
    ['a url that is none', { url: '/hook' }, 'url'],
    ['an agent that no header can have', { agent: 'a\nb' }, 'agent'],
    ['an edit that JSON cannot write', { modifiedDetails: { amount: 1n } }, 'JSON'],
  ])('refuses as options %s', (_words, options, words) => {
    // What the types rule out, plain JavaScript may send.
    const make = (): Request => fakeCallback('req_1', options as object)
    const failure = { code: 'option-invalid', message: expect.stringContaining(words) }
    expect(make).toThrow(expect.objectContaining(failure))
  })

  it('refuses a name that it does not know', () => {
    const wrong = { status: 'approved', note: 'Fine.' }
    expect(() => fakeCallback('req_1', wrong)).toThrow(expect.objectContaining({ code: 'option-unknown' }))
  })
})
