import type { Entry } from '../../support/log.js'
import type { History } from './history.js'
import type { End } from './lives.js'

/** How long a fault of the store has an effect after its end: workers reconnect, leases end. */
const echoMs = 1_000

interface Window {
  readonly kind: string
  /** The affected process; `null` for all. */
  readonly pid: string | null
  readonly from: number
  readonly to: number
}

/** The faults of a run that can cause a second run of a decision. */
export class Faults {
  readonly #windows: readonly Window[]
  /** Injected faults by kind, including those of the upstream stub, and stalls of workers by the machine. */
  readonly counts: ReadonlyMap<string, number>
  /** Time of the last start or end of a fault. */
  readonly lastAt: number

  constructor({ driver, ledger, upstream }: Pick<History, 'driver' | 'ledger' | 'upstream'>) {
    const injected = windowsOf(driver)
    const stalls = ledger.filter(({ kind }) => kind === 'stall').map(stallWindow)
    this.#windows = [...injected, ...stalls]
    const counts = new Map<string, number>()
    const add = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1)
    for (const { kind, words } of [...driver, ...upstream]) if (kind === 'fault') add(words[0] ?? '')
    for (const { kind, pid, from, to } of stalls) {
      if (!injected.some((other) => other.pid === pid && other.from <= to && other.to >= from)) add(`machine-${kind}`)
    }
    this.counts = counts
    this.lastAt = driver.filter(({ kind }) => kind === 'fault' || kind === 'over').at(-1)?.at ?? 0
  }

  /**
   * The fault that allowed another run although an earlier claim had run or was about to run; `null` if there was none.
   * A stalled process may start its run after the run that took over.
   */
  between(earlier: Pick<End, 'at' | 'pid'>, later: Pick<End, 'at'>): string | null {
    const [begin, end] = [Math.min(earlier.at, later.at), Math.max(earlier.at, later.at)]
    const hit = this.#windows.find(
      ({ pid, from, to }) => (pid === null || pid === earlier.pid) && from <= end && to >= begin,
    )
    return hit?.kind ?? null
  }

  /** Whether the process was stalled, so that its next actions may be out of order. */
  stalled(pid: string, at: number): boolean {
    return this.#windows.some(
      ({ kind, pid: hit, from, to }) =>
        (kind === 'stop' || kind === 'stall') && hit === pid && from <= at && to >= at - echoMs,
    )
  }

  /** Whether the store was down, or had just restarted. */
  isOutage(from: number, to: number): boolean {
    return this.#windows.some((window) => window.pid === null && window.from <= to && window.to >= from)
  }

  /** Whether a fault other than the store's could delay the response to a callback at this time. */
  get hitsWorkers(): boolean {
    return this.#windows.some(({ pid }) => pid !== null)
  }
}

/** Faults that last until a line marks their end. */
const lasting = new Set(['stop', 'redis-kill', 'postgres-kill', 'failover', 'backend-terminated'])

/** Intervals of kills, stops and outages, from the lines at their start and end. */
function windowsOf(driver: readonly Entry[]): readonly Window[] {
  const windows: Window[] = []
  const open = new Map<string, Window>()
  for (const { at, kind, words } of driver) {
    const [what = '', pid = null] = words
    if (kind === 'fault' && what === 'kill') windows.push({ kind: what, pid, from: at, to: Number.POSITIVE_INFINITY })
    else if (kind === 'fault' && lasting.has(what)) {
      open.set(`${what} ${pid}`, { kind: what, pid, from: at, to: Number.POSITIVE_INFINITY })
    } else if (kind === 'over') {
      const window = open.get(`${what} ${pid}`)
      open.delete(`${what} ${pid}`)
      if (window !== undefined) windows.push({ ...window, to: at + echoMs })
    }
  }
  return [...windows, ...open.values()]
}

/** A process with late timers was stalled by the machine. This is not injected, but has the same effect. */
function stallWindow({ at, words }: Entry): Window {
  const [pid = '', ms = ''] = words
  return { kind: 'stall', pid, from: at - Number(ms), to: at + echoMs }
}
