import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createReceiver } from '../../src/index.js'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { codeBlocks } from '../support/blocks.js'
import { describeWith } from '../support/needs.js'
import { compileBlock, freePort, nextRequest } from '../support/programs.js'
import { startRedis } from '../support/redis-server.js'

const apiKey = 'cq_live_doc_programs'
let simulator: Simulator

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
})
afterEach(() => simulator.close())

interface Program {
  readonly url: string
  readonly child: ChildProcess
  /** The next printed line that is not an event. */
  readonly line: () => Promise<string>
}

/** Runs a block of a document unchanged, except for its port and public address. */
async function start(
  document: string,
  name: string,
  env: Readonly<Record<string, string>> = {},
  change: (code: string) => string = (code) => code,
): Promise<Program> {
  const folder = `.tmp/doc-programs-${process.pid}-${name.replace('/', '-')}`
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [port, { url: api }] = [await freePort(), await simulator.listen()]
  const url = `http://127.0.0.1:${port}`
  const file = compileBlock(document, name, folder, (code) =>
    change(code)
      .replace('https://app.example.com', url)
      .replace(/(listen\(|port: )3000/, `$1${port}`),
  )
  const child = spawn(process.execPath, [file], {
    env: {
      ...process.env,
      CHEQPOINT_CONNECTION_KEY: apiKey,
      CHEQPOINT_BASE_URL: api,
      CALLBACK_SECRET: 'a secret of the documents',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => {
    for (let next = await lines.next(); !next.done; next = await lines.next())
      if (!next.value.startsWith('{"type":')) return next.value
    throw new Error(`${name} ended`)
  }
  return { url, child, line }
}

/** Polls until the program listens, since not every block prints that. */
async function ask(url: string, init?: RequestInit): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url, init)
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

const order = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ orderId: '8842', amount: 120 }),
}

describe('docs/migrating.md', () => {
  /** The program in between: handler and adapter of the new one, submission of the old one, and `track`. */
  function firstStep(before: string): string {
    const after = codeBlocks('docs/migrating.md', 'ts').find(({ name }) => name === 'migrating/after')?.code ?? ''
    const [receiver = ''] = after.split("\napp.post('/refunds'")
    const submission = before.split("\napp.post('/refunds', async")[1]?.split('app.listen')[0] ?? ''
    const tracked = submission.replace(
      'open.set(approvalId, asked.details)',
      "await receiver.track(approvalId, { action: 'process_refund', details: asked.details })",
    )
    const settings = [...before.matchAll(/^const (?:key|api) .*$/gm)].join('\n')
    return `${receiver.replace(/ *callbackUrl: .*\n/, '')}${settings}
      app.post('/refunds', express.json(), async${tracked}
      app.listen(3000)
      await receiver.start()
    `
  }

  it.each([
    ['migrating/before', 'itself', undefined],
    ['migrating/before', 'with its first step', firstStep],
    ['migrating/after', 'itself', undefined],
  ])('shows in %s, %s, a program that acts on a decision', async (name, _, change) => {
    const { url, line } = await start('docs/migrating.md', name, {}, change)
    const answer = await ask(`${url}/refunds`, order)
    expect(answer.status).toBe(202)
    const { approvalId } = JSON.parse(await answer.text())
    simulator.decide(approvalId, { status: 'approved' })
    expect(await line()).toContain('refund {"orderId":"8842","amount":120}')
    await simulator.settled()
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual([200])
  })

  it('is correct that a forged callback loses the decision in the code by hand, and not with a receiver', async () => {
    const forgeThenDecide = async ({ url }: Program): Promise<number | null | undefined> => {
      const { approvalId } = JSON.parse(await (await ask(`${url}/refunds`, order)).text())
      await simulator.sendCallback({ to: `${url}/webhooks/cheqpoint`, approvalId })
      simulator.decide(approvalId, { status: 'approved' })
      await simulator.settled()
      return simulator.deliveries().at(-1)?.answer?.status
    }
    expect(await forgeThenDecide(await start('docs/migrating.md', 'migrating/before'))).toBe(404)
    await simulator.close()
    simulator = await createSimulator({ apiKey })
    const ours = await start('docs/migrating.md', 'migrating/after')
    // 202 within the minimum interval after the forged callback's GET; the poll follows after it.
    expect([200, 202]).toContain(await forgeThenDecide(ours))
    expect(await ours.line()).toContain('refund {"orderId":"8842","amount":120}')
  })
})

describe('docs/core.md', () => {
  it('shows programs of at most 30 lines', () => {
    const programs = codeBlocks('docs/core.md', 'ts').filter(({ code }) => code.startsWith('import '))
    expect(programs.map(({ name }) => name)).toEqual(['core/express', 'core/hono'])
    for (const { code } of programs) expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(30)
  })

  it.each([
    ['core/express', "enqueue { orderId: '8842', amount: 120 }"],
    ['core/hono', 'enqueue 120'],
  ])('shows in %s how to act once on a verified decision, and how to refuse a forged callback', async (name, told) => {
    const { url, line } = await start('docs/core.md', name)
    const answer = await ask(`${url}/refunds`, order)
    expect(answer.status).toBe(202)
    const { approvalId } = JSON.parse(await answer.text())
    const to = `${url}/webhooks/cheqpoint`
    expect(await simulator.sendCallback({ to, approvalId, status: 'approved' })).toMatchObject({ status: 401 })
    simulator.decide(approvalId, { status: 'approved' })
    expect(await line()).toBe(`${told} cheqpoint:${approvalId}`)
    await simulator.settled()
    expect(await simulator.redeliver(approvalId)).toMatchObject({ status: 200 })
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual([401, 200, 200])
    expect(simulator.requests().filter(({ method }) => method === 'GET')).toHaveLength(1)
  })
})

describeWith('redis-server', 'a production process', () => {
  it('reports its health, and shuts down cleanly: docs/operating.md', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const { url, child } = await start('docs/operating.md', 'operating/process', { REDIS_URL: redis.url })
    expect(await (await ask(`${url}/health`)).json()).toMatchObject({ inFlight: 0, working: 0 })
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('acts on a decision, returns its result, and shuts down cleanly: llms.txt', async () => {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const submitted = nextRequest(simulator)
    const { child, line } = await start('llms.txt', 'llms/integrate', { REDIS_URL: redis.url })
    simulator.decide((await submitted).id, { status: 'approved' })
    expect(await line()).toBe('refund 120 for 8842')
    expect(await line()).toBe('approved { refunded: 120 }')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})

describe('docs/operating.md', () => {
  it('is correct that track confirms a lost submission', async () => {
    const { url } = await simulator.listen()
    const callbackUrl = 'https://app.test/hooks'
    const handled: string[] = []
    const receiver = createReceiver({
      apiKey,
      baseUrl: url,
      callbackUrl,
      callbackSecret: 'a secret of the documents',
      onDecision: ({ status }) => void handled.push(status),
    })
    onTestFinished(() => receiver.close())
    simulator.faults.loseSubmitResponse = true
    simulator.faults.drop = true
    const details = { amount: 120 }
    await expect(receiver.submit({ action: 'refund', summary: 'Refund', details })).rejects.toMatchObject({
      code: 'submission-unknown',
    })
    const [{ ref = '', action = '' } = {}] = (await receiver.unconfirmed()).items
    const [{ id = '', callbackUrl: to = '' } = {}] = simulator.list()
    expect(await receiver.track(id, { action, details, ref })).toBe(true)
    expect((await receiver.unconfirmed()).items).toEqual([])
    simulator.decide(id, { status: 'approved' })
    const body = JSON.stringify({ approvalId: id, status: 'approved' })
    const headers = { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' }
    const answer = await receiver.fetch(new Request(to ?? '', { method: 'POST', headers, body }))
    expect(answer.status).toBe(200)
    expect(handled).toEqual(['approved'])
  })
})
