import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createSimulator, type Simulator } from '../../../src/simulator/index.js'
import { type Payments, startPayments } from './payments.js'
import { type ScriptedModel, startScriptedModel } from './scripted-model.js'

/** Counts of the three servers that the agent calls. */
export interface Figures {
  /** Requests for approval at Cheqpoint. */
  readonly requests: number
  /** Delivered model calls that resumed after the pause. */
  readonly resumes: number
  /** Payments. */
  readonly effects: number
}

/** An agent in its own folder, with all servers that it calls. */
export interface Rig {
  readonly simulator: Simulator
  readonly model: ScriptedModel
  readonly payments: Payments
  /** The folder with its files. */
  readonly folder: string
  /** Starts the process, and resolves once it listens. */
  readonly start: () => Promise<void>
  /** Sends a ticket. Resolves with the status of the response, or `null` if the process ended meanwhile. */
  readonly send: (text: string) => Promise<number | null>
  /** Error output of the processes. */
  readonly errors: () => string
  /** Ends the process as `kill -9` does. */
  readonly kill: () => Promise<void>
  readonly figures: () => Figures
  readonly close: () => Promise<void>
}

const apiKey = 'cq_live_agents'

let nextPort = randomInt(21_000, 31_000)

/**
 * A port that no other rig gets, and no connection: one that the system chose is given away while its process is killed.
 */
async function ownPort(): Promise<number> {
  for (;;) {
    const port = nextPort++
    const server = createServer()
    const isFree = await new Promise((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    )
    server.close()
    if (isFree) return port
  }
}

/** Sets up a rig for a compiled example. */
export async function createRig(program: string): Promise<Rig> {
  const simulator = await createSimulator({ apiKey })
  const { url: baseUrl } = await simulator.listen()
  const model = await startScriptedModel()
  const payments = await startPayments()
  const folder = mkdtempSync(join(tmpdir(), 'agents-'))
  const port = await ownPort()
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let errors = ''

  async function start(): Promise<void> {
    child = spawn(process.execPath, [program], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        CHEQPOINT_CONNECTION_KEY: apiKey,
        CHEQPOINT_BASE_URL: baseUrl,
        PUBLIC_URL: url,
        PORT: String(port),
        PAYMENTS_URL: payments.url,
        OPENAI_API_KEY: 'none',
        OPENAI_BASE_URL: `${model.url}/v1`,
        OPENAI_AGENTS_DISABLE_TRACING: '1',
        LANGSMITH_TRACING: 'false',
      },
    })
    child.stderr?.on('data', (chunk) => {
      errors += chunk
    })
    if (child.stdout === null) throw new Error('no output')
    for await (const line of createInterface({ input: child.stdout })) if (line === 'listening') return
    throw new Error(`${program} ended: ${errors}`)
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  return {
    ...{ simulator, model, payments, folder, start, kill },
    async send(text) {
      try {
        const headers = { 'Content-Type': 'text/plain' }
        return (await fetch(`${url}/tickets/7`, { method: 'POST', headers, body: text })).status
      } catch {
        return null
      }
    },
    errors: () => errors,
    figures: () => ({
      requests: simulator.list().length,
      resumes: model.turns.filter(({ told, delivered }) => told.length > 0 && delivered).length,
      effects: payments.effects.size,
    }),
    async close() {
      await kill()
      await simulator.close()
      model.close()
      payments.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
