import { setTimeout as sleep } from 'node:timers/promises'
import { isDrained, openPeephole, type Peephole, readState, usedMemory } from './final-state.js'
import type { FinalState } from './history.js'
import type { StorePlan } from './messages.js'
import { RedisProcess, redisVersion } from './redis-process.js'

/** The Redis of a run, and the driver's reads without the library. */
export class RedisBacking {
  readonly name = 'redis'
  readonly version: string = `Redis ${redisVersion()}`
  readonly #partitions: number
  readonly #bytesBefore: number
  server: RedisProcess
  peephole: Peephole

  private constructor(server: RedisProcess, peephole: Peephole, bytesBefore: number, partitions: number) {
    this.server = server
    this.peephole = peephole
    this.#bytesBefore = bytesBefore
    this.#partitions = partitions
  }

  static async start(settings: Readonly<Record<string, string>>, partitions: number): Promise<RedisBacking> {
    const server = await RedisProcess.start(settings)
    const peephole = await openPeephole(server.port)
    return new RedisBacking(server, peephole, await usedMemory(peephole), partitions)
  }

  get store(): StorePlan {
    return { kind: 'redis', port: this.server.port }
  }

  /** Kills the server and restarts it on its files. */
  async restart(pauseMs: number): Promise<void> {
    await this.server.kill()
    await sleep(pauseMs)
    await this.server.start()
  }

  /** Makes this replica the Redis of the run. */
  async failOver(peephole: Peephole, replica: RedisProcess): Promise<void> {
    this.peephole.destroy()
    await this.server.stop()
    this.peephole = peephole
    this.server = replica
  }

  isDrained(): Promise<boolean> {
    return isDrained(this.peephole, this.#partitions)
  }

  readState(): Promise<FinalState> {
    return readState(this.peephole, this.#partitions, this.#bytesBefore)
  }

  async stop(): Promise<void> {
    this.peephole.destroy()
    await this.server.stop()
  }
}
