import type { DueKey, Store } from '../store.js'
import type { RedisKeys } from './keys.js'
import type { RedisLink } from './link.js'
import { milliseconds } from './records.js'
import type { Reply } from './replies.js'
import * as scripts from './scripts.js'

type DueMethods = Pick<Store, 'takeDue' | 'stats' | 'nextDueInMs'>

/** A member of a due index, and since when it is due by that server's clock. */
interface Due {
  readonly index: string
  readonly member: string
  readonly since: number
}

/** What comes due is taken by the next call, however fast the others are. */
const mostRounds = 16

/** What is read from the due indexes of all partitions, and from nothing else. */
export function redisDue(
  link: RedisLink,
  keys: RedisKeys,
  resume: (ref: string, leaseMs: number) => Promise<string | null>,
): DueMethods {
  const indexes = keys.indexes()

  async function look(index: string, limit: number): Promise<readonly Due[]> {
    return readMembers(index, await link.run(scripts.look, [index], [String(limit)]))
  }

  async function take(index: string, limit: number, leaseMs: number): Promise<readonly Due[]> {
    return readMembers(index, await link.run(scripts.take, [index], [String(limit), milliseconds(leaseMs)]))
  }

  /**
   * Takes the oldest of all partitions: looks at each, then takes from those that have them. Where others were faster
   * in between, looks again, a few times. A partition that fails is left out, for what the others hand out must reach its taker.
   */
  async function takeOldest(limit: number, leaseMs: number): Promise<readonly Due[]> {
    const taken: Due[] = []
    for (let round = 1; ; round++) {
      const looks = await settle(indexes.map(({ due }) => look(due, limit - taken.length)))
      const shares = new Map<string, number>()
      const oldest = looks.due.sort(byAge).slice(0, limit - taken.length)
      for (const { index } of oldest) shares.set(index, (shares.get(index) ?? 0) + 1)
      const takes = await settle([...shares].map(([index, share]) => take(index, share, leaseMs)))
      taken.push(...takes.due)
      const failures = [...looks.failures, ...takes.failures]
      if (taken.length === 0 && failures.length > 0) throw failures[0]
      if (takes.due.length === oldest.length || failures.length > 0 || round >= mostRounds) return taken.sort(byAge)
    }
  }

  async function readKey({ member }: Due, leaseMs: number): Promise<DueKey | null> {
    const key = member.slice(2)
    if (member.startsWith('a:')) return { kind: 'approval', id: key }
    if (member.startsWith('r:')) return { kind: 'reservation', ref: key }
    // One that cannot be finished now is due again after the lease; the others must not suffer for it.
    const id = await resume(key, leaseMs).catch(() => null)
    return id === null ? null : { kind: 'approval', id }
  }

  async function countAll() {
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
      const [only, ...others] = indexes
      const oneAlone = only !== undefined && others.length === 0
      const taken = await (oneAlone ? take(only.due, limit, leaseMs) : takeOldest(limit, leaseMs))
      const found = await Promise.all(taken.map((due) => readKey(due, leaseMs)))
      return found.filter((key) => key !== null)
    },

    async stats() {
      const counts = await countAll()
      return {
        open: counts.reduce((sum, { due }) => sum + due, 0),
        parked: counts.reduce((sum, { parked }) => sum + parked, 0),
        overdueMs: Math.max(...counts.map(({ firstInMs }) => Math.max(-(firstInMs ?? 0), 0))),
      }
    },

    async nextDueInMs() {
      const firsts = (await countAll()).map(({ firstInMs }) => firstInMs).filter((inMs) => inMs !== null)
      return firsts.length === 0 ? null : Math.max(Math.min(...firsts), 0)
    },
  }
}

function readMembers(index: string, reply: Reply): readonly Due[] {
  reply.oneOf('due')
  const items = reply.rest()
  return items.flatMap((member, at) => (at % 2 === 0 ? [{ index, member, since: Number(items[at + 1]) }] : []))
}

async function settle(calls: readonly Promise<readonly Due[]>[]) {
  const settled = await Promise.allSettled(calls)
  return {
    due: settled.flatMap((result) => (result.status === 'fulfilled' ? result.value : [])),
    failures: settled.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
  }
}

function byAge(a: Due, b: Due): number {
  return a.since - b.since
}
