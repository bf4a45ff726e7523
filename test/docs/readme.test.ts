import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { describeWith } from '../support/needs.js'
import { compileBlock, freePort, nextRequest } from '../support/programs.js'
import { sharedRedis } from '../support/redis-server.js'

// Inside the project, so that the examples import the built package by its name.
const folder = `.tmp/readme-${process.pid}`
let simulator: Simulator
let child: ChildProcess | undefined

afterAll(() => {
  for (const name of ['express', 'stores-redis']) rmSync(`${folder}-${name}`, { recursive: true, force: true })
})
beforeEach(async () => {
  simulator = await createSimulator({ apiKey: 'cq_live_readme' })
})
afterEach(async () => {
  child?.kill()
  await simulator.close()
})

/** Compiles a block of a document strictly. Returns the path of the JavaScript. */
function compile(document: string, name: string, change?: (code: string) => string): string {
  return compileBlock(document, name, `${folder}-${name.replace('/', '-')}`, change)
}

/** Starts a program. Yields the lines of its output, or of its error output. */
function start(
  file: string,
  env: Readonly<Record<string, string>>,
  output: 'stdout' | 'stderr' = 'stdout',
): AsyncIterator<string> {
  const stdio = output === 'stdout' ? (['ignore', 'pipe', 'inherit'] as const) : (['ignore', 'ignore', 'pipe'] as const)
  child = spawn(process.execPath, [file], { env: { ...process.env, ...env }, stdio: [...stdio] })
  const input = child[output]
  if (input === null) throw new Error('no output')
  return createInterface({ input })[Symbol.asyncIterator]()
}

describe('a first program', () => {
  /** Starts the first program of the README, and approves what it submits. */
  async function approveFirst(change: (code: string) => string = (code) => code, output?: 'stderr') {
    const port = await freePort()
    const { url } = await simulator.listen()
    const file = compile('README.md', 'express', (code) =>
      change(code)
        .replace('https://app.example.com', `http://127.0.0.1:${port}`)
        .replaceAll('3000', String(port))
        // The README shows the real Cheqpoint, which needs no address.
        .replace('CONNECTION_KEY,\n', 'CONNECTION_KEY,\n  baseUrl: process.env.CHEQPOINT_BASE_URL,\n'),
    )
    const lines = start(file, { CHEQPOINT_CONNECTION_KEY: 'cq_live_readme', CHEQPOINT_BASE_URL: url }, output)
    const approvalId = await submitted()
    simulator.decide(approvalId, { status: 'approved' })
    return { approvalId, lines }
  }

  it('in README.md compiles, submits, and handles the decision', async () => {
    const { approvalId, lines } = await approveFirst()
    expect((await lines.next()).value).toBe(`refund { orderId: '8842', amount: 120 } cheqpoint:${approvalId}`)
    await simulator.settled()
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual([200])
  })

  it('in README.md logs a line when its handler throws', async () => {
    const failing = (code: string): string =>
      code.replace(/console\.log\('refund'.*\)/, "throw new Error('the payment API is down', { cause: run })")
    const { approvalId, lines } = await approveFirst(failing, 'stderr')
    expect((await lines.next()).value).toBe(
      `cheqpoint-callback: the handler of process_refund failed for ${approvalId}, attempt 1: Error: the payment API is down`,
    )
  })

  it('in README.md has the install command, the promise, the stores and the picture within the first 60 lines', () => {
    const first = readFileSync('README.md', 'utf8').split('\n').slice(0, 60).join('\n')
    for (const part of [
      'npm install cheqpoint-callback express',
      '```ts express',
      '- **Confirmed.**',
      '- **Completed once.**',
      '- **Not lost.**',
      '## Durable in one line',
      '`redisStore(',
      '`postgresStore(',
      '`sqliteStore(',
      '**Exactly once:**',
      'docs/images/simulator-light.png',
    ])
      expect(first).toContain(part)
  })

  describeWith('redis-server', 'with Redis', () =>
    it('in docs/stores.md compiles, and handles a request', async () => {
      const redis = await sharedRedis()
      const { url } = await simulator.listen()
      const lines = start(compile('docs/stores.md', 'stores/redis'), {
        CHEQPOINT_CONNECTION_KEY: 'cq_live_readme',
        CHEQPOINT_BASE_URL: url,
        REDIS_URL: redis.url,
      })
      simulator.decide(await submitted(), { status: 'approved' })
      expect((await lines.next()).value).toBe('approved')
      expect((await lines.next()).done).toBe(true)
      await redis.stop()
    }),
  )
})

/** The id of the request once it was submitted. */
async function submitted(): Promise<string> {
  return (await nextRequest(simulator)).id
}
