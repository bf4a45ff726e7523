import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { expect, onTestFinished } from 'vitest'
import { run } from '../../src/cli/run.js'
import { createReceiver, type Decision, type ReceiverOptions, type TypedReceiver } from '../../src/index.js'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { path, socketHosts } from './hosts.js'

/** No command may print these. */
export const secrets = {
  key: 'cq_live_never_printed_9f3a',
  callback: 'a secret of the tests',
  store: 'hunter2-hunter2',
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

type Environment = Readonly<Record<string, string>>

export interface Started {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  /** The output so far. */
  readonly lines: readonly string[]
}

/** Starts the built command line in an environment without variables. */
export function startCli(args: readonly string[], env: Environment = {}, file = 'dist/src/cli/main.js'): Started {
  const own = [
    'CHEQPOINT_CONNECTION_KEY',
    'CHEQPOINT_BASE_URL',
    'REDIS_URL',
    'DATABASE_URL',
    'NODE_EXTRA_CA_CERTS',
    'NO_COLOR',
  ]
  const inherited = Object.entries(process.env).filter(([name]) => !own.includes(name))
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return { child, lines }
}

/** Runs a command to its end. Asserts that it prints no secret, no stack trace and no colours. */
export async function cli(args: readonly string[], env?: Environment, file?: string): Promise<Ended> {
  const { child } = startCli(args, env, file)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return clean({ code, stdout, stderr })
}

function clean(ended: Ended): Ended {
  const printed = ended.stdout + ended.stderr
  for (const secret of Object.values(secrets)) expect(printed).not.toContain(secret)
  expect(printed).not.toContain('\u001b')
  expect(printed).not.toMatch(/^\s+at .*:\d+/m)
  return ended
}

/** The same inside this process, for cases that need no separate process. */
export async function cliHere(args: readonly string[], env: Environment = {}): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  const code = await run(args, {
    env,
    stdout: {
      write(text) {
        stdout += text
      },
    },
    stderr: {
      write(text) {
        stderr += text
      },
    },
  })
  return clean({ code, stdout, stderr })
}

export interface Told {
  readonly code: number | null
  readonly document: unknown
  readonly failed: boolean
}

/** Runs a command with `--json`: one document on one of the two streams, and nothing on the other. */
export function told({ code, stdout, stderr }: Ended): Told {
  expect([stdout, stderr]).toContain('')
  return { code, document: JSON.parse(stdout + stderr), failed: stdout === '' }
}

export async function cliJson(args: readonly string[], env?: Environment, file?: string): Promise<Told> {
  return told(await cli([...args, '--json'], env, file))
}

export interface World {
  readonly simulator: Simulator
  readonly receiver: TypedReceiver
  /** What the handler was given. */
  readonly decisions: readonly Decision[]
  readonly api: string
  readonly url: string
  readonly submit: () => Promise<string>
  /** Callback URL of a request, with its token. */
  readonly urlOf: (id: string) => string
}

/** A local Cheqpoint, and a receiver behind Express that submits to it. */
export async function openWorld(options: Partial<ReceiverOptions> = {}): Promise<World> {
  const simulator = await createSimulator({ apiKey: secrets.key })
  const { url: api } = await simulator.listen()
  const decisions: Decision[] = []
  const receiver = createReceiver({
    apiKey: secrets.key,
    baseUrl: api,
    callbackUrl: 'https://app.example.com/webhooks/cheqpoint',
    confirm: { minIntervalMs: 1 },
    polling: { firstMs: 600_000 },
    onEvent() {},
    onDecision: (decision) => void decisions.push(decision),
    ...options,
  })
  const [express] = socketHosts
  if (express === undefined) throw new Error('there is no host')
  const host = await express.open(receiver)
  await receiver.start()
  const origin = `http://127.0.0.1:${host.port}`
  onTestFinished(async () => {
    await receiver.close()
    await host.close()
    await simulator.close()
  })
  const submit = async (): Promise<string> => {
    const details = { orderId: '8842', amount: 120 }
    const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
    return approvalId
  }
  const urlOf = (id: string): string => {
    const { callbackUrl } = simulator.list().find((request) => request.id === id) ?? {}
    return String(callbackUrl).replace('https://app.example.com', origin)
  }
  return { simulator, receiver, decisions, api, url: origin + path, submit, urlOf }
}
