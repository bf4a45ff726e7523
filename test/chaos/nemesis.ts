import { setTimeout as sleep } from 'node:timers/promises'
import { between, oneOf } from './chance.js'
import type { Rig } from './rig.js'

/** Does something again and again, until it is told to stop or has done it so often. */
export class Nemesis {
  readonly #loop: Promise<void>
  #stopped = false
  count = 0

  constructor(strike: () => Promise<unknown>, everyMs: () => number, most: number = Number.POSITIVE_INFINITY) {
    this.#loop = (async () => {
      while (!this.#stopped && this.count < most) {
        await sleep(everyMs())
        if (this.#stopped) return
        await strike()
        this.count++
      }
    })()
  }

  /** Resolves when it has struck as often as it was to. */
  done(): Promise<void> {
    return this.#loop
  }

  stop(): Promise<void> {
    this.#stopped = true
    return this.#loop
  }
}

/** Kills workers, whichever comes up, so often. One at least stays up. */
export function killWorkers(rig: Rig, everyMs: readonly [number, number], most: number): Nemesis {
  const strike = async (): Promise<void> => {
    while (rig.workers.length < 2) await sleep(20)
    const victim = oneOf(rig.workers, rig.chance)
    if (victim !== undefined) await rig.kill(victim)
  }
  return new Nemesis(strike, () => between(everyMs, rig.chance), most)
}

/** Kills Redis and starts it again. */
export function restartRedis(rig: Rig, everyMs: readonly [number, number]): Nemesis {
  return new Nemesis(
    () => rig.restartRedis(between([0, 400], rig.chance)),
    () => between(everyMs, rig.chance),
  )
}

/** Makes Redis forget its scripts. */
export function flushScripts(rig: Rig, everyMs: number): Nemesis {
  const strike = async (): Promise<void> => {
    rig.log.write('fault', 'script-flush')
    await rig.peephole.scriptFlush()
  }
  return new Nemesis(strike, () => everyMs)
}
