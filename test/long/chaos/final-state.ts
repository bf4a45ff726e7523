import { createClient } from 'redis'
import type { FinalState } from './history.js'

/*
 * The contents of Redis, read with plain commands: the oracle does not rely on the library.
 */

export type Peephole = ReturnType<typeof createClient>

export async function openPeephole(port: number): Promise<Peephole> {
  const redis = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: () => 50 } })
  // Redis is killed on purpose; commands wait until it is back.
  redis.on('error', () => {})
  await redis.connect()
  return redis
}

/** Whether no approval is open. Reservations may be open: it is unknown whether Cheqpoint accepted them. */
export async function isDrained(redis: Peephole, partitions: number): Promise<boolean> {
  for (let partition = 0; partition < partitions; partition++) {
    // Long before the end, the count is enough.
    if ((await redis.zCard(`{chaos:${partition}}:due`)) > 2_000) return false
    if ((await readDue(redis, partition)).some((key) => !key.startsWith('r:'))) return false
  }
  return true
}

/** Due keys of a partition; a half-bound reservation is listed as `b:<ref>`. */
async function readDue(redis: Peephole, partition: number): Promise<readonly string[]> {
  const members = await redis.zRange(`{chaos:${partition}}:due`, 0, -1)
  return Promise.all(
    members.map(async (member) => {
      if (!member.startsWith('r:')) return member
      const text = (await redis.get(`{chaos:${partition}}:${member}`)) ?? ''
      return text.includes('"kind":"binding"') ? `b:${member.slice(2)}` : member
    }),
  )
}

export async function readState(redis: Peephole, partitions: number, bytesBefore: number): Promise<FinalState> {
  const due: string[] = []
  const parked: string[] = []
  for (let partition = 0; partition < partitions; partition++) {
    due.push(...(await readDue(redis, partition)))
    const members = await redis.zRange(`{chaos:${partition}}:parked`, 0, -1)
    parked.push(...members.map((member) => member.slice(2)))
  }
  const open: string[] = []
  const done: string[] = []
  for await (const keys of redis.scanIterator({ MATCH: '{chaos:*}:a:*', COUNT: 1_000 })) {
    const left = await Promise.all(keys.map((key) => redis.pTTL(key)))
    for (const [at, key] of keys.entries()) {
      const id = key.slice(key.indexOf(':a:') + 3)
      if (left[at] === -1) open.push(id)
      else done.push(id)
    }
  }
  const bytes = (await usedMemory(redis)) - bytesBefore
  const entries = open.length + done.length
  return { due, parked, open, done, bytesPerKey: entries < 1_000 ? null : Math.round(bytes / entries) }
}

export async function usedMemory(redis: Peephole): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0)
}
