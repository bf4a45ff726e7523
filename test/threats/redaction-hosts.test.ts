import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createReceiver, type Receiver } from '../../src/index.js'
import { type Change, createSimulator } from '../../src/simulator/index.js'
import { action, callbackSecret, details, id, tracked } from '../support/answers-bench.js'
import { storeError } from '../support/answers-situations.js'
import { canaries, everything, type Secret, searchFor, standingSecrets, tokensIn } from '../support/canaries.js'
import { listenTo, path, socketHosts } from '../support/hosts.js'
import { type Sent, wireOf } from '../support/raw-http.js'
import { memoryBacking } from '../support/redaction-backing.js'
import { type RedactionBench, redactionBench } from '../support/redaction-bench.js'

const search = searchFor(standingSecrets)

/** A callback full of claims, with parts changed. */
function callback(change: Partial<Sent> = {}): Sent {
  const headers = [
    ['User-Agent', 'Cheqpoint-Callback/1.0'],
    ['Content-Type', 'application/json'],
    ['Cookie', canaries.claim],
    ['Connection', 'close'],
  ] as const
  const body = JSON.stringify({ approvalId: id, status: 'approved', decisionNote: canaries.claim, x: canaries.claim })
  return { method: 'POST', path: `${path}?x=${canaries.claim}`, headers, body, ...change }
}

/** Every byte of an answer: the status line too. */
async function bytesOf(port: number, sent: Sent): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
  await once(socket, 'connect')
  socket.write(wireOf(sent))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

const answers: readonly (readonly [
  status: number,
  what: string,
  parts: Partial<Sent>,
  (bench: RedactionBench) => unknown,
])[] = [
  [200, 'handled', {}, ({ api }) => api.approve(id, { decisionNote: canaries.note })],
  [500, 'a handler that throws', {}, ({ api }) => api.approve(id, { modifiedDetails: { ...details, failing: true } })],
  [200, 'an edit that is refused', {}, ({ api }) => api.approve(id, { modifiedDetails: { x: canaries.edit } })],
  [502, 'an API that fails', {}, ({ api }) => api.answer(id, { status: 500, body: canaries.upstream })],
  [503, 'a store that fails', {}, ({ faulty }) => faulty.failWith(storeError())],
  [400, 'half a document', { body: `{"x":"${canaries.claim}` }, () => {}],
  [
    403,
    'another agent',
    {
      headers: [
        ['User-Agent', canaries.agent],
        ['Connection', 'close'],
      ],
    },
    () => {},
  ],
  [413, 'a body that is too large', { body: canaries.claim.repeat(20_000) }, () => {}],
]

describe.each(socketHosts)('every byte of a response of $name', ({ open }) => {
  it.each(answers)('is free of secrets: %i for %s', async (status, _, parts, before) => {
    const bench = redactionBench(memoryBacking(), {
      sweep: 'off',
      onDecision({ modifiedDetails }) {
        if (modifiedDetails?.['failing'] === true) throw new Error(canaries.handlerError)
        return { receipt: canaries.result }
      },
    })
    await bench.receiver.track(id, tracked)
    await before(bench)
    const host = await open(bench.receiver)
    onTestFinished(() => host.close())
    const bytes = await bytesOf(host.port, callback(parts))
    expect(bytes).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(search(bytes)).toEqual([])
  })
})

describe('the simulator', () => {
  const apiKey = `cq_live_${canaries.key}`

  /** A simulator and a receiver that talk to each other, through one approval and one rejected key. */
  async function session() {
    const changes: Change[] = []
    const simulator = await createSimulator({ apiKey })
    simulator.subscribe((change) => changes.push(change))
    const { url } = await simulator.listen()
    const receivers: Receiver[] = []
    const server = await listenTo(async (incoming, outgoing) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk)
      const header = (name: string): readonly string[] => [incoming.headers[name] ?? []].flat()
      const body = { parsed: Buffer.concat(chunks) }
      const answer = await receivers[0]?.handle({ method: 'POST', url: incoming.url ?? '', header, body })
      outgoing.writeHead(answer?.status ?? 500).end(answer?.body)
    })
    const receiver = createReceiver({
      ...{ apiKey, callbackSecret, baseUrl: url, sweep: 'off', log: false },
      callbackUrl: `http://127.0.0.1:${server.port}${path}`,
      onDecision: () => ({ receipt: canaries.result }),
    })
    receivers.push(receiver)
    onTestFinished(async () => {
      await receiver.close()
      await simulator.close()
      await server.close()
    })
    const { context } = tracked
    const { approvalId } = await receiver.submit({ action, summary: 'Refund', details }, { context })
    simulator.decide(approvalId, { status: 'approved', note: canaries.note })
    await simulator.settled()
    await receiver.wait(approvalId)
    const stranger = createReceiver({ apiKey: `cq_live_${canaries.agent}`, baseUrl: url, log: false, onDecision() {} })
    const refused = await stranger.submit({ action, summary: 'Refund', details }).catch((error: unknown) => error)
    await stranger.close()
    return { simulator, changes, receiver, refused }
  }

  it('keeps no key in what it logs, and knows no secret, context or result of the receiver', async () => {
    const { simulator, changes, receiver, refused } = await session()
    const logs = [simulator.requests(), simulator.list(), simulator.deliveries(), changes]
    const unseen = ['key', 'callbackSecret', 'context', 'result', 'agent']
    expect(search(everything(logs)).filter((kind) => unseen.includes(kind))).toEqual([])
    expect(search(everything(logs))).toEqual(['details', 'note'])
    expect(search(everything([simulator, receiver, refused]))).toEqual([])
  })

  it('knows the token by the callback URL alone, which is logged as such', async () => {
    const { simulator, changes, receiver } = await session()
    const [request] = simulator.list()
    const tokens: readonly Secret[] = tokensIn(request?.callbackUrl ?? '')
    expect(tokens).toHaveLength(1)
    const find = searchFor(tokens)
    expect(find(everything(simulator.requests()))).toEqual([])
    expect(find(everything([simulator, receiver]))).toEqual([])
    const url = request?.callbackUrl ?? 'none'
    const logs = JSON.stringify([simulator.list(), simulator.deliveries(), changes])
    expect(find(logs)).toEqual(['token'])
    expect(find(logs.replaceAll(JSON.stringify(url).slice(1, -1), ''))).toEqual([])
  })
})
