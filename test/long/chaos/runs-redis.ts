import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPeephole } from './final-state.js'
import { livesOf } from './lives.js'
import { restartStore } from './nemesis.js'
import { startProxy } from './proxy.js'
import { RedisProcess } from './redis-process.js'
import type { Run } from './run.js'

/*
 * Faults of Redis: it is killed, fails over, and runs out of memory.
 */

const outages: Omit<Run, 'name' | 'title' | 'size'> = {
  knobs: {
    decideMs: [0, 1_500],
    callbacks: { lost: 0.3, copies: [1, 3], spreadMs: 500, early: 0 },
  },
  worker: { handlerMs: [20, 200] },
  async act(rig, size) {
    const storm = restartStore(rig, [2_000, 5_000])
    await rig.submit(size, { perSecond: 100, atOnce: 32 })
    await storm.stop()
    return []
  },
}

const kept: Run = {
  ...outages,
  name: 'F4a',
  title: 'Redis killed every 2 to 5 s, appendfsync always',
  size: 5_000,
  redis: { appendonly: 'yes', appendfsync: 'always' },
  judge: (history) => {
    const lives = [...livesOf(history).values()]
    const doubles = lives.filter(({ finishes }) => finishes.length > 1).length
    const most = Math.max(1, lives.length * 0.002)
    return { notes: [], failures: doubles > most ? [`${doubles} doubles, ${Math.floor(most)} allowed`] : [] }
  },
}

const forgotten: Run = {
  ...outages,
  name: 'F4b',
  title: 'the same without persistence',
  size: 1_000,
  mayLose: true,
}

/** Approximate bytes of a line that acknowledges an approval. */
const ackBytes = 27

/** Registers until a part is acknowledged, then kills the primary and continues on a replica that lags behind. */
function failover(name: string, title: string, minReplicas: number): Run {
  return {
    name,
    title,
    size: 50_000,
    // Its worker needs the replica from the start.
    workers: 0,
    worker: { sweeps: false, minReplicas, partitions: 1 },
    mayLose: minReplicas === 0,
    drains: false,
    async act(rig, size) {
      const replica = await RedisProcess.start()
      const proxy = await startProxy(rig.redis.server.port)
      const other = await openPeephole(replica.port)
      await other.sendCommand(['REPLICAOF', '127.0.0.1', String(proxy.port)])
      while (!(await other.info('replication')).includes('master_link_status:up')) await sleep(50)
      const worker = await rig.fleet.boot()
      if ('refused' in worker) throw new Error(`a worker did not start: ${worker.refused}`)
      const tracking = rig.fleet.track(worker, { prefix: 'reg_', count: size, atOnce: 64 })
      while (statSync(join(rig.plan.folder, 'ledger.log')).size < size * 0.6 * ackBytes) await sleep(5)
      rig.log.write('fault', 'replica-cut-off')
      proxy.hold()
      await sleep(300)
      rig.log.write('fault', 'failover')
      await rig.redis.server.kill()
      proxy.close()
      await other.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      const { codes } = await tracking
      await rig.redis.failOver(other, replica)
      return refusedNotes(codes)
    },
  }
}

function eviction(name: string, policy: string, allowEviction: boolean): Run {
  return {
    name,
    title: `Redis full, ${policy}${allowEviction ? ', allowEviction' : ''}`,
    size: 40_000,
    workers: 1,
    worker: { sweeps: false, allowEviction, firstMs: 1, maxMs: 1_000, handlerMs: [0, 1] },
    redis: { maxmemory: '8mb', 'maxmemory-policy': policy },
    mayLose: policy.startsWith('allkeys'),
    async act(rig, size) {
      rig.log.write('fault', `policy-${policy}`)
      const [worker] = rig.fleet.workers
      if (worker === undefined) return ['start() rejects']
      const { codes } = await rig.fleet.track(worker, { prefix: 'reg_', count: size, atOnce: 32 })
      rig.log.write('fault', 'redis-full')
      // Accepted approvals must be able to complete on a full server.
      await Promise.all([rig.fleet.boot({ sweeps: true }), rig.fleet.boot({ sweeps: true })])
      return refusedNotes(codes)
    },
  }
}

const refusedToStart: Run = {
  ...eviction('F6a', 'allkeys-lru', false),
  judge: ({ driver }) => {
    const refused = driver.some(({ kind, words }) => kind === 'refused' && words[0] === 'store-unsuitable')
    return { notes: [], failures: refused ? [] : ['the worker started on a Redis that evicts'] }
  },
}

/** How many requests were refused, by error code. */
function refusedNotes(codes: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(codes).map(([code, count]) => `${count} refused: ${code}`)
}

export const redisRuns: readonly Run[] = [
  kept,
  forgotten,
  failover('F5a', 'failover to a replica 300 ms behind, minReplicas 1', 1),
  failover('F5b', 'the same, minReplicas 0', 0),
  refusedToStart,
  eviction('F6b', 'volatile-lru', false),
  eviction('F6c', 'noeviction', false),
  eviction('F6d', 'allkeys-lru', true),
]
