import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Order, Said } from './messages.js'

/*
 * Common parts of a run's processes. Each gets its plan as an argument and ends with the driver.
 */

/** The plan of this process. Only the driver starts it. */
export function readPlan<Plan>(): Plan {
  return JSON.parse(process.argv[2] ?? '') as Plan
}

export function say(message: Said): void {
  process.send?.(message)
}

export function onOrder(obey: (order: Order) => void): void {
  process.on('disconnect', () => process.exit())
  // Only the driver talks to this process.
  process.on('message', (order) => obey(order as Order))
}

/** Watches memory, processor and event loop. Answers the orders `watch`, once, and `report`. */
export class Watch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 })
  #peak = { heapBytes: 0, rssBytes: 0 }
  #cpu = process.cpuUsage()

  start(): void {
    this.#peak = { heapBytes: 0, rssBytes: 0 }
    setInterval(() => this.#sample(), 50).unref()
    this.#cpu = process.cpuUsage()
    this.#delay.reset()
    this.#delay.enable()
    say({ kind: 'watching' })
  }

  report(): void {
    this.#sample()
    const [p99, max] = [this.#delay.percentile(99) / 1e6, this.#delay.max / 1e6]
    const { user, system } = process.cpuUsage(this.#cpu)
    say({ kind: 'seen', peak: this.#peak, delayMs: { p99, max }, cpuSeconds: (user + system) / 1e6 })
  }

  #sample(): void {
    const { heapUsed, rss } = process.memoryUsage()
    this.#peak = { heapBytes: Math.max(this.#peak.heapBytes, heapUsed), rssBytes: Math.max(this.#peak.rssBytes, rss) }
  }
}
