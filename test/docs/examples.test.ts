import { readdirSync, readFileSync } from 'node:fs'
import { Queue } from 'bullmq'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createReceiver } from '../../src/index.js'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { quoted, tableRows } from '../support/blocks.js'
import { freePort, nextRequest, printTimes, type StartedExample, startExample } from '../support/examples.js'
import { describeWith } from '../support/needs.js'
import { startRedis, type TestServer } from '../support/redis-server.js'

const apiKey = 'cq_live_examples'
const callbackSecret = 'a secret of the example tests'
let simulator: Simulator
let baseUrl: string
let redis: TestServer | undefined
let example: StartedExample | undefined

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
  baseUrl = (await simulator.listen()).url
})
afterEach(async () => {
  example?.child.kill('SIGKILL')
  await example?.ended
  await simulator.close()
  await redis?.stop()
  redis = undefined
})
afterAll(printTimes)

/** Starts an example, which is killed after the test. */
function start(file: string, env: Readonly<Record<string, string>> = {}, ...args: string[]): StartedExample {
  example = startExample(file, { baseUrl, apiKey, args, env: { CALLBACK_SECRET: callbackSecret, ...env } })
  return example
}

/** The app's responses to the callbacks, in order. */
async function callbackAnswers(): Promise<readonly (number | null | undefined)[]> {
  await simulator.settled()
  return simulator.deliveries().map(({ answer }) => answer?.status)
}

describe('the example for Express', () => {
  it('handles callbacks behind a parser, reports its health, and shuts down cleanly', async () => {
    const port = await freePort()
    const { child, line, ended } = start('examples/express.js', { PORT: String(port) })
    expect(await line()).toBe(`listening on ${port}`)
    const remove = async (account: string): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/accounts/${account}`, { method: 'DELETE' })
      expect(answer.status).toBe(202)
      return JSON.parse(await answer.text()).approvalId
    }
    const ada = await remove('ada')
    const bob = await remove('bob')
    expect(await remove('ada')).toBe(ada)
    expect(simulator.list()).toHaveLength(2)
    const health = await fetch(`http://127.0.0.1:${port}/health`)
    expect(health.status).toBe(200)
    // Two approvals, and the references of their idempotency keys.
    expect(await health.json()).toEqual({ open: 4, parked: 0, overdueMs: 0 })

    const to = `http://127.0.0.1:${port}/webhooks/cheqpoint`
    expect((await simulator.sendCallback({ to, approvalId: ada, status: 'approved' })).status).toBe(401)
    simulator.decide(ada, { status: 'approved', modifiedDetails: { account: 'ada', keepInvoices: false } })
    expect(await line()).toBe(`deleted ada, invoices too, key cheqpoint:${ada}`)
    simulator.decide(bob, { status: 'rejected', note: 'Bob still has an open invoice' })
    expect(await line()).toBe('account kept: Bob still has an open invoice')
    expect(await callbackAnswers()).toEqual([401, 200, 200])
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

describe('the example for Fastify', () => {
  it('handles callbacks beside its own routes, and shuts down cleanly', async () => {
    const port = await freePort()
    const { child, line, ended } = start('examples/fastify.js', { PORT: String(port) })
    expect(await line()).toBe(`listening on ${port}`)
    const answer = await fetch(`http://127.0.0.1:${port}/invitations/ada`, { method: 'POST' })
    expect(answer.status).toBe(202)
    const { approvalId } = JSON.parse(await answer.text())
    const to = `http://127.0.0.1:${port}/webhooks/cheqpoint`
    expect((await simulator.sendCallback({ to, approvalId, status: 'approved' })).status).toBe(401)
    simulator.decide(approvalId, { status: 'approved', modifiedDetails: { person: 'ada', role: 'reader' } })
    expect(await line()).toBe(`invited ada as reader, key cheqpoint:${approvalId}`)
    expect(await callbackAnswers()).toEqual([401, 200])
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

describe('the example for Hono', () => {
  it('responds with the result, and reads the token from the path', async () => {
    const port = await freePort()
    const { child, line, ended } = start('examples/hono.js', { PORT: String(port) })
    expect(await line()).toBe(`listening on ${port}`)
    const deploy = async (tag: string): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:${port}/deployments/${tag}`, { method: 'POST' })
      return { status: answer.status, body: await answer.json() }
    }
    const request = nextRequest(simulator)
    const asked = deploy('1.4.0')
    const { id, callbackUrl } = await request
    expect(await line()).toBe(`asked for ${id}`)
    expect(callbackUrl).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${port}/webhooks/cheqpoint/[\\w.-]+$`))
    simulator.decide(id, { status: 'approved', modifiedDetails: { tag: '1.4.0', region: 'us' } })
    expect(await asked).toEqual({
      status: 200,
      body: { status: 'approved', result: { deployed: '1.4.0', region: 'us', edited: ['/region'] } },
    })

    const second = nextRequest(simulator)
    const refused = deploy('1.4.1')
    const other = await second
    // A callback that arrives before the id gets 202.
    expect(await line()).toBe(`asked for ${other.id}`)
    simulator.decide(other.id, { status: 'rejected' })
    expect(await refused).toEqual({ status: 200, body: { status: 'rejected', result: null } })

    const third = nextRequest(simulator)
    const broken = deploy('1.4.2')
    const edited = await third
    expect(await line()).toBe(`asked for ${edited.id}`)
    simulator.decide(edited.id, { status: 'approved', modifiedDetails: { tag: '1.4.2', region: 'moon' } })
    expect(await broken).toEqual({ status: 202, body: { approvalId: edited.id, code: 'parked' } })
    expect(await callbackAnswers()).toEqual([200, 200, 200])
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

describe('the examples of the core', () => {
  /** Starts an example and requests a refund. Resolves with the approval id and the example. */
  async function ask(file: string, amount: number): Promise<StartedExample & { readonly id: string }> {
    const port = await freePort()
    const started = start(file, { PORT: String(port) })
    expect(await started.line()).toBe(`listening on ${port}`)
    const answer = await fetch(`http://127.0.0.1:${port}/refunds`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orderId: '8842', amount }),
    })
    expect(answer.status).toBe(202)
    const { approvalId: id } = JSON.parse(await answer.text())
    return { ...started, id }
  }

  it('for Express enqueues an approved job once, however often the callback comes', async () => {
    const { line, id, child, rest } = await ask('examples/core/express.js', 120)
    simulator.decide(id, { status: 'approved' })
    expect(await line()).toBe(`enqueue { orderId: '8842', amount: 120 } cheqpoint:${id}`)
    await simulator.settled()
    await simulator.redeliver(id)
    expect(await callbackAnswers()).toEqual([200, 200])
    child.kill()
    expect(await rest()).toEqual([])
  })

  it('for Hono refunds the approved amount after an edit', async () => {
    const { line, id } = await ask('examples/core/hono.js', 120)
    simulator.decide(id, { status: 'approved', modifiedDetails: { orderId: '8842', amount: 50 } })
    expect(await line()).toBe(`refunded $50 for order 8842, key cheqpoint:${id}`)
    expect(await callbackAnswers()).toEqual([200])
  })

  it('for Hono releases a claim when the refund fails, so that a later callback retries', async () => {
    const { line, id } = await ask('examples/core/hono.js', 500)
    simulator.decide(id, { status: 'approved' })
    expect(await line()).toBe('given back after attempt 1: Error: the payment API refused')
    await simulator.settled()
    for (let status = 409; status === 409; ) status = (await simulator.redeliver(id)).status ?? 0
    expect(await line()).toBe('given back after attempt 2: Error: the payment API refused')
  })
})

describe('the demo', () => {
  it('passes all of its checks', async () => {
    const { rest, ended } = start('examples/demo.js', {}, '--auto')
    const lines = await rest()
    expect(lines.filter((line) => line.startsWith('  ok  '))).toHaveLength(8)
    expect(lines.at(-1)).toBe('All as promised.')
    expect(await ended).toBe(0)
  })
})

describeWith('redis-server', 'the example for Next.js', () => {
  it('has a route for callbacks, and an action that does not submit twice', async () => {
    redis = await startRedis()
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const { line } = start('test/support/next-host.js', {
      PORT: String(port),
      PUBLIC_URL: url,
      REDIS_URL: redis.url,
    })
    expect(await line()).toBe('listening')
    const id = await (await fetch(url)).text()
    expect(await (await fetch(url)).text()).toBe(id)
    expect(simulator.list()).toHaveLength(1)
    const to = `${url}/webhooks/cheqpoint`
    expect((await simulator.sendCallback({ to, approvalId: id, status: 'approved' })).status).toBe(401)
    simulator.decide(id, { status: 'approved' })
    expect(await line()).toBe(`refunded $120, found by callback, key cheqpoint:${id}`)
    expect(await callbackAnswers()).toEqual([401, 200])
  })
})

describeWith('redis-server', 'the example of a cron job', () => {
  it('finds decisions whose callback was lost, prints its counts, and exits', async () => {
    redis = await startRedis()
    const client = await createClient({ url: redis.url }).connect()
    // The app that submits; it has ended when the job runs.
    const app = createReceiver({
      apiKey,
      baseUrl,
      callbackUrl: 'http://127.0.0.1:9/nobody/listens',
      callbackSecret,
      store: redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: 'refunds' }),
      sweep: 'elsewhere',
      polling: { firstMs: 1 },
      // On a slow machine, the app itself may have polled already.
      confirm: { minIntervalMs: 0 },
      onDecision() {},
    })
    const submit = async (orderId: string): Promise<string> => {
      const details = { orderId, amount: 120 }
      return (await app.submit({ action: 'process_refund', summary: 'Refund $120', details })).approvalId
    }
    const [lost] = [await submit('8842'), await submit('8843')]
    await app.close()
    await client.close()
    simulator.faults.drop = true
    simulator.decide(lost, { status: 'approved' })

    const { rest, ended } = start('examples/cron.js', { REDIS_URL: redis.url })
    const [handled, report = '', ...more] = await rest()
    expect(handled).toBe(`refunded $120, found by poll, key cheqpoint:${lost}`)
    const { nextDueInMs, ...counts } = JSON.parse(report)
    expect(counts).toEqual({ taken: 2, decided: 1, undecided: 1, failed: 0 })
    expect(nextDueInMs).toBeGreaterThan(0)
    expect(nextDueInMs).toBeLessThanOrEqual(300_000 * 1.2)
    expect(more).toEqual([])
    expect(await ended).toBe(0)
  })

  it('exits with 1 if a decision could not be confirmed', async () => {
    redis = await startRedis()
    const client = await createClient({ url: redis.url }).connect()
    const app = createReceiver({
      apiKey,
      baseUrl,
      store: redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: 'refunds' }),
      sweep: 'elsewhere',
      polling: { firstMs: 1 },
      log: false,
      onDecision() {},
    })
    await app.track('req_1', { action: 'process_refund', details: { orderId: '8842', amount: 120 } })
    await app.close()
    await client.close()
    simulator.faults.api = { status: 500 }
    const { rest, ended } = start('examples/cron.js', { REDIS_URL: redis.url })
    expect(JSON.parse((await rest()).at(-1) ?? '')).toMatchObject({ taken: 1, decided: 0, undecided: 0, failed: 1 })
    expect(await ended).toBe(1)
  })
})

describeWith('redis-server', 'the example of a hand-off to BullMQ', () => {
  it('creates one job per approval, with the edit, under a unique id', async () => {
    redis = await startRedis()
    const request = nextRequest(simulator)
    const { rest, ended } = start('examples/bullmq.js', { REDIS_URL: redis.url })
    const { id } = await request
    simulator.decide(id, { status: 'approved', modifiedDetails: { orderId: '8842', amount: 50 } })
    const jobId = `cheqpoint-${id}`
    expect([...(await rest())].sort()).toEqual([
      `approved {"job":"${jobId}"}`,
      `refunded $50 for order 8842, key cheqpoint:${id}`,
    ])
    expect(await ended).toBe(0)

    const queue = new Queue('refunds', { connection: { host: '127.0.0.1', port: redis.port } })
    await queue.add('refund', { orderId: '8842', amount: 50 }, { jobId })
    expect(await queue.getJobCounts('completed', 'waiting', 'active', 'delayed', 'failed')).toEqual({
      completed: 1,
      waiting: 0,
      active: 0,
      delayed: 0,
      failed: 0,
    })
    await queue.close()
  })

  it('creates no job for a rejection', async () => {
    redis = await startRedis()
    const request = nextRequest(simulator)
    const { rest, ended } = start('examples/bullmq.js', { REDIS_URL: redis.url })
    simulator.decide((await request).id, { status: 'rejected' })
    expect(await rest()).toEqual(['rejected null'])
    expect(await ended).toBe(0)
  })
})

describe('examples/README.md', () => {
  const files = readdirSync('examples', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  /** Has its own packages, and is run in test/integration. */
  const isAgent = (name: string): boolean => name.startsWith('agents/')

  it('lists every example, and no other', () => {
    const listed = tableRows('examples/README.md').flatMap(([file = '']) => quoted(file))
    expect([...listed].sort()).toEqual([...files].sort())
  })

  it('shows how to run each of them after the build', () => {
    for (const [file = '', , run = ''] of tableRows('examples/README.md')) {
      const [name = ''] = quoted(file)
      if (name !== 'next.ts' && !isAgent(name))
        expect(run, name).toContain(`node dist/examples/${name.replace('.ts', '.js')}`)
    }
  })

  it.each(files.filter((name) => !isAgent(name)))('lists %s, which a test runs', (name) => {
    const sources = ['test/docs', 'test/redis']
      .flatMap((folder) => readdirSync(folder).map((test) => `${folder}/${test}`))
      .filter((test) => test.endsWith('.test.ts'))
      .map((test) => readFileSync(test, 'utf8'))
    const built = name.replace('.ts', '.js')
    const host = name === 'next.ts' ? 'test/support/next-host.js' : `examples/${built}`
    const started = [`start('${host}'`, `ask('${host}'`, `start('${built}'`, `'dist/${host}'`, `runApproved('${host}'`]
    expect(sources.some((source) => started.some((text) => source.includes(text)))).toBe(true)
  })
})
