import type { Server } from 'node:http'
import { PerformanceObserver } from 'node:perf_hooks'
import type { Usage } from './apps.js'

/** Tells the parent the port, and what this process has used whenever it asks. */
export function serveUsage(server: Server): void {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  let gcMs = 0
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gcMs += duration
  }).observe({ entryTypes: ['gc'] })
  process.on('message', () => process.send?.(usage(gcMs)))
  process.on('disconnect', () => process.exit())
  process.send?.(address.port)
}

function usage(gcMs: number): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, gcMs }
}
