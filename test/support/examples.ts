import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { SimulatedRequest, Simulator } from '../../src/simulator/index.js'

/** A running example. */
export interface StartedExample {
  readonly child: ChildProcess
  /** The next line that it prints. */
  readonly line: () => Promise<string | undefined>
  /** Resolves at its end with all remaining lines. */
  readonly rest: () => Promise<readonly string[]>
  /** Its exit code. */
  readonly ended: Promise<number | null>
}

/** Duration of each example, in the order in which they ended. */
const times: (readonly [file: string, ms: number])[] = []

/** Starts a built file under `dist/` with a Cheqpoint. Kill `child` after the test. */
export function startExample(
  file: string,
  {
    baseUrl,
    apiKey,
    args = [],
    env = {},
  }: {
    readonly baseUrl: string
    readonly apiKey: string
    readonly args?: readonly string[]
    readonly env?: Readonly<Record<string, string>>
  },
): StartedExample {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [`dist/${file}`, ...args], {
    env: { ...process.env, CHEQPOINT_CONNECTION_KEY: apiKey, CHEQPOINT_BASE_URL: baseUrl, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'exit').then(([code]) => {
    times.push([file, performance.now() - startedAt])
    return code
  })
  return {
    child,
    ended,
    line: async () => (await lines.next()).value,
    async rest() {
      const all: string[] = []
      for (let next = await lines.next(); next.done !== true; next = await lines.next()) all.push(next.value)
      return all
    },
  }
}

/** Prints how long the examples of this test file took, each process with its start. */
export function printTimes(): void {
  for (const [file, ms] of times) console.log(`${file}: ${(ms / 1000).toFixed(1)} s`)
}

/** Resolves with the next request that comes in. */
export function nextRequest(simulator: Simulator): Promise<SimulatedRequest> {
  return new Promise((resolve) => {
    const stop = simulator.subscribe((change) => {
      if (change.type !== 'request' || change.request.status !== 'pending') return
      stop()
      resolve(change.request)
    })
  })
}

/** An unused port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await once(server.close(), 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
