import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres-server.js'
import { startRedis } from './redis-server.js'

/** Starts the server that the chosen store needs, once for all files. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const kind = project.config.env['CHEQPOINT_STORE']
  const start = { postgres: startPostgres, redis: startRedis }[String(kind)]
  const server = await start?.()
  project.provide('parityServer', server?.url ?? '')
  return async () => server?.stop()
}
