import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
// @ts-expect-error The package has no types.
import BetterSqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest'
import { compileFolder } from '../support/programs.js'
import { createRig, type Rig } from './agents/rig.js'
import type { ModelTurn } from './agents/scripted-model.js'

/*
 * The agents of examples/agents, each with its framework, a scripted model and the simulator, over HTTP. The frameworks
 * have their own lock file, so that `npm ci` of the project stays small.
 */

const home = 'test/integration/agents'
const agents = readdirSync('examples/agents')
  .filter((file) => readFileSync(`examples/agents/${file}`, 'utf8').includes('await serve({'))
  .map((file) => file.replace('.ts', ''))
// Inside the project, so that the examples import the built package by its name.
const compiled = `.tmp/agents-${process.pid}`

beforeAll(() => {
  const installed = `${home}/node_modules/.package-lock.json`
  const lock = `${home}/package-lock.json`
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs)
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], {
      cwd: home,
      stdio: 'inherit',
    })
  // Its only script would compile for a minute what the project already has in the same version.
  cpSync('node_modules/better-sqlite3', `${home}/node_modules/better-sqlite3`, { recursive: true })
  mkdirSync(compiled, { recursive: true })
  symlinkSync(resolve(home, 'node_modules'), `${compiled}/node_modules`)
  cpSync('examples/agents', compiled, { recursive: true })
  compileFolder(compiled)
}, 1_800_000)
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

const text = 'It arrived broken. Refund $120 for order 8842.'
// After a kill, the next process waits until the lease of 30 s ends.
vi.setConfig({ testTimeout: 600_000 })
const patience = { timeout: 500_000, interval: 500 }
const once = { requests: 1, resumes: 1, effects: 1 }

async function rigFor(example: string, { onTestFinished }: TestContext): Promise<Rig> {
  const rig = await createRig(resolve(compiled, `out/${example}.js`))
  onTestFinished(rig.close)
  return rig
}

/** Starts the agent and sends the ticket. Resolves with the ids of its requests. */
async function paused(rig: Rig, ticket = text): Promise<readonly string[]> {
  await rig.start()
  expect(await rig.send(ticket)).toBe(202)
  return rig.simulator.list().map(({ id }) => id)
}

/** Sends callbacks until the approval is completed. */
async function completed({ simulator }: Rig, id: string): Promise<void> {
  await vi.waitFor(async () => expect((await simulator.redeliver(id)).body).toContain('"handled"'), patience)
}

/** Resolves when the model or the payment service gets a request that `isIt` accepts. It gets no response. */
function reaches(rig: Rig, what: 'first words' | 'payment' | 'last words'): Promise<void> {
  return new Promise((resolve) => {
    const never = new Promise<void>(() => {})
    const hang = (): Promise<void> => {
      rig.model.before = async () => {}
      rig.payments.before = async () => {}
      resolve()
      return never
    }
    if (what === 'payment') rig.payments.before = hang
    else
      rig.model.before = async ({ told }: ModelTurn) => {
        if (told.length > 0 === (what === 'last words')) await hang()
      }
  })
}

interface Crash {
  readonly when: string
  /** Brings the agent to this point. */
  readonly until: (rig: Rig) => Promise<void>
  /** Agents that then call the payment service again with the same key. */
  readonly payAgain: readonly string[]
}

/** Approves, and resolves at this point. */
async function approvedUntil(rig: Rig, what: 'payment' | 'last words'): Promise<void> {
  const [id = ''] = await paused(rig)
  const reached = reaches(rig, what)
  rig.simulator.decide(id, { status: 'approved' })
  await reached
}

const crashes: readonly Crash[] = [
  {
    when: 'before the tool call reached it',
    async until(rig) {
      await rig.start()
      const reached = reaches(rig, 'first words')
      void rig.send(text)
      await reached
    },
    payAgain: [],
  },
  { when: 'while the reviewer decided', until: async (rig) => void (await paused(rig)), payAgain: [] },
  {
    when: 'between the payment and its resume',
    until: (rig) => approvedUntil(rig, 'payment'),
    payAgain: agents,
  },
  {
    when: 'between its resume and its last words',
    until: (rig) => approvedUntil(rig, 'last words'),
    payAgain: ['openai-agents'], // stores its state only at the end of its run
  },
  {
    when: 'between its last words and the completion',
    async until(rig) {
      const [id = ''] = await paused(rig)
      const approvals = new BetterSqlite(join(rig.folder, 'approvals.db'))
      // While this process holds the lock, no completion can be written.
      rig.model.before = async () => void approvals.exec('BEGIN IMMEDIATE')
      rig.simulator.decide(id, { status: 'approved' })
      await vi.waitFor(() => expect(lastWordsKept(rig.folder)).toBe(true), patience)
      await rig.kill()
      approvals.close()
      rig.model.before = async () => {}
    },
    payAgain: [],
  },
]

/** Whether the agent's last message is in its framework's file. */
function lastWordsKept(folder: string): boolean {
  const graph = join(folder, 'graph.db')
  const [file, query] = existsSync(graph)
    ? [graph, 'SELECT CAST(checkpoint AS TEXT) AS text FROM checkpoints']
    : [join(folder, 'conversations.db'), 'SELECT state AS text FROM conversations']
  const database = new BetterSqlite(file, { readonly: true })
  const rows: readonly unknown[] = database.prepare(query).all()
  database.close()
  return rows.some((row) => JSON.stringify(row).includes('Done: '))
}

const lines: string[] = []
afterAll(() => console.log(lines.toSorted().join('\n')))

describe.concurrent.each(agents)('the agent in examples/agents/%s.ts', (example) => {
  it('asks once, resumes once and pays once if its ticket and the callback come twice', async (context) => {
    const rig = await rigFor(example, context)
    const { simulator, model } = rig
    await rig.start()
    expect(await Promise.all([rig.send(text), rig.send(text)])).toEqual([202, 202])
    expect(await rig.send(text)).toBe(202)
    expect(rig.figures()).toEqual({ requests: 1, resumes: 0, effects: 0 })

    const [{ id = '' } = {}] = simulator.list()
    simulator.faults.duplicate = 1
    simulator.decide(id, { status: 'approved' })
    await simulator.settled()
    await completed(rig, id)
    expect(await rig.send(text)).toBe(202)
    expect(simulator.deliveries().length).toBeGreaterThan(2)
    lines.push(`${example}, double start and double callback: ${JSON.stringify(rig.figures())}`)
    expect(rig.figures()).toEqual(once)
    expect(model.turns.at(-1)?.told).toEqual(['Refunded as requested. Receipt r-8842.'])
  })

  it('pays the edited amount, and tells the model', async (context) => {
    const rig = await rigFor(example, context)
    const [id = ''] = await paused(rig)
    const modifiedDetails = { orderId: '8842', amount: 50 }
    rig.simulator.decide(id, { status: 'approved', modifiedDetails, note: 'The case is fine' })
    await completed(rig, id)
    expect([...rig.payments.effects]).toEqual([[`cheqpoint:${id}`, modifiedDetails]])
    expect(rig.model.turns.at(-1)?.told).toEqual([
      `The reviewer edited /amount; refunded {"orderId":"8842","amount":50}, not what you requested. Receipt r-8842. The reviewer's note: The case is fine.`,
    ])
  })

  it('pays nothing after a rejection, and tells the model why', async (context) => {
    const rig = await rigFor(example, context)
    const [id = ''] = await paused(rig)
    rig.simulator.decide(id, { status: 'rejected', note: 'Ask for a photo first' })
    await completed(rig, id)
    expect(rig.figures()).toEqual({ ...once, effects: 0 })
    expect(rig.model.turns.at(-1)?.told).toEqual([
      `Nothing was refunded: rejected. Do not try again. The reviewer's note: Ask for a photo first.`,
    ])
  })

  it('resumes each of two tool calls with its own decision', async (context) => {
    const rig = await rigFor(example, context)
    const [first = '', second = ''] = await paused(rig, 'Refund $120 for order 1, and $20 for order 2.')
    rig.simulator.decide(second, { status: 'rejected' })
    await completed(rig, second)
    expect(rig.figures()).toEqual({ requests: 2, resumes: 0, effects: 0 })
    rig.simulator.decide(first, { status: 'approved' })
    await completed(rig, first)
    expect(rig.figures()).toEqual({ requests: 2, resumes: 1, effects: 1 })
    expect(rig.model.turns.at(-1)?.told.toSorted()).toEqual([
      'Nothing was refunded: rejected. Do not try again.',
      'Refunded as requested. Receipt r-1.',
    ])
  })

  it('pays nothing for a tool call that is not in its conversation', async (context) => {
    const rig = await rigFor(example, context)
    const [id = ''] = await paused(rig)
    await rig.kill()
    for (const file of ['graph.db', 'graph.db-wal', 'graph.db-shm', 'conversations.db'])
      rmSync(join(rig.folder, file), { force: true })
    await rig.start()
    rig.simulator.decide(id, { status: 'approved' })
    await vi.waitFor(() => expect(rig.errors()).toContain('ticket 7 has no tool call'), patience)
    expect(rig.figures()).toEqual({ requests: 1, resumes: 0, effects: 0 })
  })

  const named = crashes.map((crash) => [crash.when, crash] as const)
  it.each(named)('asks once, resumes once and pays once if it is killed %s', async (when, { until, payAgain }) => {
    const rig = await createRig(resolve(compiled, `out/${example}.js`))
    try {
      await until(rig)
      await rig.kill()
      await rig.start()
      // After the decision, only the handler continues.
      if (rig.simulator.list()[0]?.status !== 'approved') await Promise.all([rig.send(text), rig.send(text)])
      const [{ id = '', status } = {}] = rig.simulator.list()
      if (status === 'pending') rig.simulator.decide(id, { status: 'approved' })
      await completed(rig, id)
      expect(await rig.send(text)).toBe(202)
      const { calls } = rig.payments
      lines.push(`${example}, killed ${when}: ${JSON.stringify(rig.figures())}, payment service called ${calls} times`)
      expect(rig.figures()).toEqual(once)
      expect(calls).toBe(payAgain.includes(example) ? 2 : 1)
      expect(rig.model.turns.at(-1)?.told).toEqual(['Refunded as requested. Receipt r-8842.'])
    } finally {
      await rig.close()
    }
  })
})
