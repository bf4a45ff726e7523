import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { describeWith } from '../support/needs.js'
import { compileBlock, freePort, nextRequest } from '../support/programs.js'
import { sharedRedis } from '../support/redis-server.js'

// Inside the project, so that the examples find the package by its name, as it was built.
const folder = `.tmp/readme-${process.pid}`
let simulator: Simulator
let child: ChildProcess | undefined

afterAll(() => {
  for (const name of ['express', 'hono', 'stores-redis']) rmSync(`${folder}-${name}`, { recursive: true, force: true })
})
beforeEach(async () => {
  simulator = await createSimulator({ apiKey: 'cq_live_readme' })
})
afterEach(async () => {
  child?.kill()
  await simulator.close()
})

/** Compiles a block of a document, strictly, and gives the path of the JavaScript. */
function compile(document: string, name: string, change?: (code: string) => string): string {
  return compileBlock(document, name, `${folder}-${name.replace('/', '-')}`, change)
}

/** Starts a program and reads its output line by line. */
function start(file: string, env: Readonly<Record<string, string>>): AsyncIterator<string> {
  child = spawn(process.execPath, [file], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new Error('no output')
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]()
}

describe('a program to start with', () => {
  it.each([
    ['README.md', 'express'],
    ['docs/getting-started.md', 'hono'],
  ])('in %s, for %s, compiles, submits, and handles the decision that comes back', async (document, name) => {
    const port = await freePort()
    const { url } = await simulator.listen()
    const file = compile(document, name, (code) =>
      code
        .replace('https://app.example.com', `http://127.0.0.1:${port}`)
        .replaceAll('3000', String(port))
        // The README shows the real Cheqpoint, which needs no address.
        .replace(/(CONNECTION_KEY,\n)(?! *baseUrl)/, '$1  baseUrl: process.env.CHEQPOINT_BASE_URL,\n'),
    )
    const lines = start(file, {
      CHEQPOINT_CONNECTION_KEY: 'cq_live_readme',
      CHEQPOINT_BASE_URL: url,
      CALLBACK_SECRET: 'a secret of the readme test',
    })
    const pending = await submitted()
    simulator.decide(pending, { status: 'approved' })
    expect((await lines.next()).value).toContain(
      name === 'express' ? `refund { orderId: '8842', amount: 120 } cheqpoint:${pending}` : 'approved {',
    )
    await simulator.settled()
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual([200])
  })

  describeWith('redis-server', 'with Redis', () =>
    it('in docs/stores.md compiles, and follows a request to its end', async () => {
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
