import { createClient } from 'redis'
import type { Run } from '../../../src/index.js'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { postgresStore } from '../../../src/stores/sql/postgres-store.js'
import type { Store } from '../../../src/stores/store.js'
import type { Chance } from '../../support/chance.js'
import { postgresClients } from '../../support/sql-clients.js'
import { dieNow } from './crashing-store.js'
import type { WorkerPlan } from './messages.js'

/** The store of a worker, and how its handler commits effects. */
export interface WorkerStore {
  readonly store: Store
  /** Writes the effect of a run into the database; `null` if effects are lines in the ledger. */
  readonly commit: ((id: string, run: Run) => Promise<void>) | null
}

/** Opens the store that the plan names. `mayDie` is called at each point of a transaction. */
export async function openStore(plan: WorkerPlan, mayDie: () => void): Promise<WorkerStore> {
  return plan.store.kind === 'redis' ? openRedis(plan, plan.store.port) : openPostgres(plan.store, mayDie)
}

async function openRedis({ partitions, minReplicas, allowEviction }: WorkerPlan, port: number): Promise<WorkerStore> {
  const redis = createClient({
    url: `redis://127.0.0.1:${port}`,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: () => 50, connectTimeout: 2_000 },
  })
  // The store reports this as store-unavailable.
  redis.on('error', () => {})
  await redis.connect()
  const sendCommand = (args: string[]): Promise<unknown> => redis.sendCommand(args)
  return { store: redisStore({ sendCommand, prefix: 'chaos', partitions, minReplicas, allowEviction }), commit: null }
}

function openPostgres(
  { url, effects }: Extract<WorkerPlan['store'], { kind: 'postgres' }>,
  mayDie: () => void,
): WorkerStore {
  const client = postgresClients['pg']?.(url)
  if (client === undefined) throw new Error('no client')
  const store = postgresStore({ query: client.query })
  if (effects === null) return { store, commit: null }
  const { isolation, completes } = effects
  const commitOnce = (id: string, run: Run) =>
    client.transaction(`BEGIN ISOLATION LEVEL ${isolation}`, async (query) => {
      mayDie()
      if (completes === 'inside') await store.completeIn(run, query, { attempt: run.attempt })
      mayDie()
      const values = [Date.now(), id, run.fence, process.pid]
      await query('INSERT INTO effects (at, id, fence, pid) VALUES ($1, $2, $3, $4) RETURNING id', values)
      mayDie()
    })
  return {
    store,
    async commit(id, run) {
      for (let tries = 1; ; tries++) {
        try {
          await commitOnce(id, run)
          return mayDie()
        } catch (error) {
          // A serialization failure or a deadlock: the transaction is repeated, as the documents say.
          const isRetryable = error instanceof Error && 'code' in error && /^40/.test(String(error.code))
          if (!isRetryable || tries === 20) throw error
        }
      }
    },
  }
}

/** Kills the process, with this probability per call. */
export function dyingBy(share: number, chance: Chance): () => void {
  return () => {
    if (chance() < share) dieNow()
  }
}
