import type { DueKey, Store } from '../store.js'
import type { RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'
import { milliseconds } from './redis-records.js'
import * as scripts from './redis-scripts.js'

type Due = Pick<Store, 'takeDue' | 'stats' | 'nextDueInMs'>

/** What is read from the due indexes of all partitions, and from nothing else. */
export function redisDue(
  link: RedisLink,
  keys: RedisKeys,
  resume: (ref: string, leaseMs: number) => Promise<string | null>,
): Due {
  const indexes = keys.indexes()

  /** When the oldest due keys of a partition came due. */
  async function look(due: string, limit: number) {
    const reply = await link.run(scripts.look, [due], [String(limit)])
    reply.oneOf('due')
    return reply.rest().map((since) => ({ due, since: Number(since) }))
  }

  async function take(due: string, limit: number, leaseMs: number) {
    const reply = await link.run(scripts.take, [due], [String(limit), milliseconds(leaseMs)])
    reply.oneOf('due')
    const items = reply.rest()
    return items.flatMap((member, at) => (at % 2 === 0 ? [{ member, since: Number(items[at + 1]) }] : []))
  }

  async function readDue(member: string, leaseMs: number): Promise<DueKey | null> {
    const key = member.slice(2)
    if (member.startsWith('a:')) return { kind: 'approval', id: key }
    if (member.startsWith('r:')) return { kind: 'reservation', ref: key }
    // One that cannot be finished now is due again after the lease; the others must not suffer for it.
    const id = await resume(key, leaseMs).catch(() => null)
    return id === null ? null : { kind: 'approval', id }
  }

  async function count() {
    return Promise.all(
      indexes.map(async ({ due, parked }) => {
        const reply = await link.run(scripts.count, [due, parked], [])
        reply.oneOf('counts')
        return { due: reply.integer(), parked: reply.integer(), firstInMs: reply.integerOrNull() }
      }),
    )
  }

  return {
    async takeDue(limit, leaseMs) {
      const failures: unknown[] = []
      /** A partition that fails must not hide what others have handed out: nobody else gets that before its lease ends. */
      const each = async <Item extends { readonly since: number }>(calls: readonly Promise<readonly Item[]>[]) => {
        const settled = await Promise.allSettled(calls)
        for (const result of settled) if (result.status === 'rejected') failures.push(result.reason)
        return settled
          .flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
          .sort((a, b) => a.since - b.since)
      }
      const shares = new Map<string, number>()
      if (indexes.length === 1) for (const { due } of indexes) shares.set(due, limit)
      else {
        const oldest = await each(indexes.map(({ due }) => look(due, limit)))
        for (const { due } of oldest.slice(0, limit)) shares.set(due, (shares.get(due) ?? 0) + 1)
      }
      const taken = await each([...shares].map(([due, share]) => take(due, share, leaseMs)))
      if (taken.length === 0 && failures.length > 0) throw failures[0]
      const found = await Promise.all(taken.map(({ member }) => readDue(member, leaseMs)))
      return found.filter((key) => key !== null)
    },

    async stats() {
      const counts = await count()
      return {
        open: counts.reduce((sum, { due }) => sum + due, 0),
        parked: counts.reduce((sum, { parked }) => sum + parked, 0),
        overdueMs: Math.max(...counts.map(({ firstInMs }) => Math.max(-(firstInMs ?? 0), 0))),
      }
    },

    async nextDueInMs() {
      const firsts = (await count()).map(({ firstInMs }) => firstInMs).filter((inMs) => inMs !== null)
      return firsts.length === 0 ? null : Math.max(Math.min(...firsts), 0)
    },
  }
}
