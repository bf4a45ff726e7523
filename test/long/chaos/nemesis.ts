import { setTimeout as sleep } from 'node:timers/promises'
import { between, oneOf } from '../../support/chance.js'
import type { Rig } from './rig.js'

/** Repeats a fault until it is stopped. */
export class Nemesis {
  readonly #loop: Promise<void>
  #stopped = false
  count = 0

  constructor(strike: () => Promise<unknown>, everyMs: () => number) {
    this.#loop = (async () => {
      while (!this.#stopped) {
        await sleep(everyMs())
        await strike()
        this.count++
      }
    })()
  }

  /** Resolves when it has stopped, after at least this number of faults. */
  async stop(atLeast: number = 1): Promise<void> {
    while (this.count < atLeast) await Promise.race([this.#loop, sleep(100)])
    this.#stopped = true
    return this.#loop
  }
}

/** Kills random workers. At least one keeps running. */
export function killWorkers(rig: Rig, everyMs: readonly [number, number]): Nemesis {
  const strike = async (): Promise<void> => {
    while (rig.fleet.workers.length < 2) await sleep(20)
    const victim = oneOf(rig.fleet.workers, rig.chance)
    if (victim !== undefined) await rig.fleet.kill(victim)
  }
  return new Nemesis(strike, () => between(everyMs, rig.chance))
}

/** Kills Redis or Postgres and starts it again. */
export function restartStore(rig: Rig, everyMs: readonly [number, number]): Nemesis {
  return new Nemesis(
    () => rig.restartStore(between([0, 400], rig.chance)),
    () => between(everyMs, rig.chance),
  )
}

/** Makes Redis forget its scripts. */
export function flushScripts(rig: Rig, everyMs: number): Nemesis {
  const strike = async (): Promise<void> => {
    rig.log.write('fault', 'script-flush')
    await rig.redis.peephole.scriptFlush()
  }
  return new Nemesis(strike, () => everyMs)
}

/** Ends connections of workers to Postgres. */
export function terminateBackends(rig: Rig, everyMs: readonly [number, number]): Nemesis {
  const strike = async (): Promise<void> => {
    rig.log.write('fault', 'backend-terminated')
    await rig.postgres.terminateBackend()
    rig.log.write('over', 'backend-terminated')
  }
  return new Nemesis(strike, () => between(everyMs, rig.chance))
}

/** Stops a worker for longer than its lease, then continues it. */
export function stallWorkers(rig: Rig, everyMs: readonly [number, number]): Nemesis {
  const strike = async (): Promise<void> => {
    const victim = oneOf(rig.fleet.workers, rig.chance)
    if (victim === undefined) return
    rig.fleet.stop(victim)
    await sleep(rig.plan.worker.leaseMs * between([1.2, 2], rig.chance))
    rig.fleet.goOn(victim)
  }
  return new Nemesis(strike, () => between(everyMs, rig.chance))
}
