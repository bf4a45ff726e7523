import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Callbacks that are sent to a contender. */
export interface Load {
  readonly url: string
  /** Number of the first approval; each callback names the next one. */
  readonly from: number
  readonly amount: number
  readonly connections: number
  readonly agent: string
  /** The body, with `%d` where the number stands, or without. */
  readonly body: string
  /** Callbacks a second, whatever comes back. Default: as fast as answers come. */
  readonly perSecond?: number | undefined
}

export interface Loaded {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers of 400 and above. */
  readonly failures: number
}

const hasWrk = isInstalled('wrk')
/** What sends as fast as answers come: wrk takes the least of the processors. */
export const sender: string = hasWrk ? 'wrk' : 'autocannon'

/** Sends from a process of its own, so that what is measured does not wait for it. */
export function send(load: Load): Promise<Loaded> {
  // Told to keep a pace, autocannon sends what a second is due all at its beginning.
  if (load.perSecond !== undefined) return sendFrom('./pace.js', load)
  return hasWrk ? sendWithWrk(load) : sendFrom('./autocannon.js', load)
}

async function sendWithWrk({ url, from, amount, connections, agent, body }: Load): Promise<Loaded> {
  const script = fileURLToPath(new URL('../../../../test/long/bench/load.lua', import.meta.url))
  const { origin, pathname } = new URL(url)
  const args = [String(from), String(amount), agent, pathname, body]
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t1', `-c${connections}`, '-d300s', '--timeout', '60s', '--latency', '-s', script, origin, '--'],
    ...args,
  ])
  const line = stdout.split('\n').find((each) => each.startsWith('{')) ?? '{}'
  // The script prints this very shape.
  const told = JSON.parse(line) as Record<'requests' | 'microseconds' | 'failures' | 'errors' | 'p50' | 'p99', number>
  if (told.errors > 0) throw new Error(`${told.errors} connections failed`)
  return {
    perSecond: (told.requests / told.microseconds) * 1e6,
    p50Ms: told.p50 / 1000,
    p99Ms: told.p99 / 1000,
    failures: told.failures,
  }
}

async function sendFrom(script: string, load: Load): Promise<Loaded> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify(load)])
  // Both scripts print this very shape.
  return JSON.parse(stdout) as Loaded
}

function isInstalled(command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
