import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../support/postgres-server.js'
import { startRedis } from '../../support/redis-server.js'
import type { DatabaseName } from './databases.js'

/** Where a database keeps its data, and how to end it. */
interface Served {
  readonly at: string
  readonly stop: () => Promise<void>
}

/** None waits for a disk, which would hide what statements cost. */
const starts: Readonly<Record<DatabaseName, () => Promise<Served>>> = {
  async redis() {
    const { url, stop } = await startRedis()
    return { at: url, stop }
  },
  async postgres() {
    const { url, stop } = await startPostgres()
    return { at: url, stop }
  },
  async sqlite() {
    // In memory where there is such a folder: its fsync costs nothing.
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cheqpoint-bench-'))
    return { at: join(folder, 'approvals.db'), stop: async () => rmSync(folder, { recursive: true, force: true }) }
  },
}

/** Runs a database while it is used. `use` gets the URL of the server, or a path. */
export async function withDatabase<Value>(name: DatabaseName, use: (at: string) => Promise<Value>): Promise<Value> {
  const { at, stop } = await starts[name]()
  try {
    return await use(at)
  } finally {
    await stop()
  }
}
