import { existsSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type SimulatedRequest, type Simulator } from '../../src/simulator/index.js'
import { codeBlocks, quoted } from '../support/blocks.js'
import { freePort, nextRequest, printTimes, type StartedExample, startExample } from '../support/examples.js'

const apiKey = 'cq_live_patterns'
let simulator: Simulator
let example: StartedExample | undefined

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
})
afterEach(async () => {
  example?.child.kill('SIGKILL')
  await simulator.close()
})
afterAll(printTimes)

/** Runs a built example with the simulator. */
async function start(
  file: string,
  env: Readonly<Record<string, string>> = {},
  ...args: string[]
): Promise<StartedExample> {
  const { url } = await simulator.listen()
  example = startExample(`examples/${file}`, { baseUrl: url, apiKey, env, args })
  return example
}

const submitted = (): Promise<SimulatedRequest> => nextRequest(simulator)

describe('the example of the blocking pattern', () => {
  it('continues with the submitted details after an approval', async () => {
    simulator.rule(() => ({ status: 'approved' }))
    const { line, ended } = await start('patterns/blocking.js')
    expect(await line()).toBe('refunded $120 for order 8842')
    expect(await ended).toBe(0)
    expect(simulator.requests().map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)).toEqual([
      'POST request',
      `GET ${simulator.list()[0]?.id}`,
    ])
  })

  it('continues with the edit of the reviewer', async () => {
    simulator.rule(() => ({ status: 'approved', modifiedDetails: { orderId: '8842', amount: 50 } }))
    const { line } = await start('patterns/blocking.js')
    expect(await line()).toBe('refunded $50 for order 8842')
  })

  it('does nothing after a rejection', async () => {
    simulator.rule(() => ({ status: 'rejected' }))
    const { line, ended } = await start('patterns/blocking.js')
    expect(await line()).toBe('not refunded: rejected')
    expect(await ended).toBe(0)
  })
})

describe('the example of the blocking pattern with a receiver', () => {
  it('waits for a reviewer, and continues with the result of the handler', async () => {
    const request = submitted()
    const { line, ended } = await start('patterns/blocking-receiver.js')
    const { id } = await request
    simulator.decide(id, { status: 'approved', modifiedDetails: { orderId: '8842', amount: 50 } })
    expect(await line()).toBe(`approved {"orderId":"8842","refunded":50,"key":"cheqpoint:${id}"}`)
    expect(await ended).toBe(0)
  })
})

describe('the example of the short wait', () => {
  it('handles a quick decision at once, and a slow one later', async () => {
    const first = submitted()
    const { line, ended } = await start('patterns/short-wait.js')
    const quick = await first
    expect(quick.maxWaitMs).toBe(2_000)
    const second = submitted()
    simulator.decide(quick.id, { status: 'approved' })
    expect(await line()).toBe('handler: approved, found by inline')
    expect(await line()).toBe(`${quick.id} was approved at once`)
    expect(await line()).toBe('$20: approved')
    const slow = await second
    expect(await line()).toBe(`${slow.id} is under review`)
    simulator.decide(slow.id, { status: 'rejected' })
    expect(await line()).toBe('handler: rejected, found by poll')
    expect(await line()).toBe('$2000: rejected')
    expect(await ended).toBe(0)
  })
})

describe('the example of the asynchronous pattern', () => {
  it('responds before the decision, handles the callback, and shuts down cleanly', async () => {
    const port = await freePort()
    const { child, line, ended } = await start('patterns/callback.js', {
      PORT: String(port),
      CALLBACK_SECRET: 'a secret of the pattern test',
    })
    expect(await line()).toBe(`listening on ${port}`)
    const post = async (order: object): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/refunds`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(order),
      })
    const order = { orderId: '8842', amount: 120, email: 'ada@example.com' }
    const answer = await post(order)
    expect(answer.status).toBe(202)
    const { approvalId } = JSON.parse(await answer.text())
    expect(await (await post(order)).json()).toEqual({ approvalId })
    expect((await post({ orderId: '8843', amount: -1, email: 'ada@example.com' })).status).toBe(400)
    expect(simulator.list()).toHaveLength(1)

    simulator.decide(approvalId, { status: 'approved' })
    expect(await line()).toBe(`tell ada@example.com: refunded $120 for order 8842, key cheqpoint:${approvalId}`)
    await simulator.settled()
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual([200])
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

describe('the example of an agent', () => {
  it('waits for a reviewer, and continues with the result', async () => {
    const request = submitted()
    const { line, ended } = await start('patterns/agent.js')
    expect(await line()).toBe('order 8842: delivered broken, $120')
    const { id, submission } = await request
    expect(submission).toMatchObject({ justification: 'The photo shows a broken screen', riskLevel: 'high' })
    simulator.decide(id, { status: 'approved' })
    expect(await line()).toBe(`Refunded: {"receipt":"8842/cheqpoint:${id}","amount":120,"edited":[]}`)
    expect(await ended).toBe(0)
  })

  it("reports that it has asked if the decision takes longer than the client's time-out, and returns the result later", async () => {
    const request = submitted()
    const { line, ended } = await start('patterns/agent.js', {}, '8842', '1')
    await line()
    const { id } = await request
    expect(await line()).toBe('Asked. Tell the customer, and call this tool again later.')
    simulator.decide(id, { status: 'approved' })
    expect(await line()).toBe(`Refunded: {"receipt":"8842/cheqpoint:${id}","amount":120,"edited":[]}`)
    expect(await ended).toBe(0)
    expect(simulator.list()).toHaveLength(1)
  })

  it.each([
    [
      'a no',
      { status: 'rejected', note: 'Ask for the parcel back first' },
      /^The refund was rejected with the note: Ask/,
    ],
    [
      'an edit that must not run',
      { status: 'approved', modifiedDetails: { orderId: '8842', amount: 501 } },
      /\(parked\)/,
    ],
  ])('tells the model of %s', async (_words, decision, told) => {
    const request = submitted()
    const { line, ended } = await start('patterns/agent.js')
    await line()
    simulator.decide((await request).id, decision)
    expect(await line()).toMatch(told)
    expect(await ended).toBe(0)
  })
})

describe('the example for a laptop', () => {
  it('finds a decision within seconds without a public URL', async () => {
    const request = submitted()
    const { line, ended } = await start('laptop.js')
    const { id, details, callbackUrl } = await request
    expect(callbackUrl).toBeNull()
    expect(await line()).toBe(`decide ${id} in your Cheqpoint inbox`)
    simulator.decide(id, { status: 'approved', modifiedDetails: { ...details, to: 'accounts@example.com' } })
    expect(await line()).toBe('handler: approved, edited at /to')
    expect(await ended).toBe(0)
  })
})

/** Asserts that each block of a document is in the example of its name. Returns the names. */
function excerpts(file: string): readonly string[] {
  return codeBlocks(file, 'ts').map(({ name, code }) => {
    // Indented as in the example, or not: it may stand within a function there.
    const flat = (text: string): string => text.replaceAll(/^ +/gm, '').trimEnd()
    expect(flat(readFileSync(`examples/${name}.ts`, 'utf8')), name).toContain(flat(code))
    return name
  })
}

describe('docs/patterns.md', () => {
  const file = 'docs/patterns.md'

  it('shows only code of the examples, which run above', () => {
    const blocks = codeBlocks(file, 'ts')
    for (const { name, code } of blocks) {
      const lines = readFileSync(`examples/${name}.ts`, 'utf8').split('\n')
      const [first = '', ...rest] = code.trimEnd().split('\n')
      // Indented as in the example, or not: it may stand within a function there.
      const shown = lines.map((line) => line.trim()).join('\n')
      expect(shown, name).toContain([first, ...rest].map((line) => line.trim()).join('\n'))
    }
    expect(blocks.map(({ name }) => name)).toEqual(['patterns/blocking-receiver', 'patterns/blocking', 'laptop'])
  })

  it('names examples that exist', () => {
    const named = quoted(readFileSync(file, 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')).filter((word) =>
      word.startsWith('examples/'),
    )
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((path) => !existsSync(path))).toEqual([])
  })
})

describe('docs/agents.md', () => {
  it('shows code of the examples, which test/integration and the tests above run', () => {
    expect(excerpts('docs/agents.md').length).toBeGreaterThan(5)
  })
})
