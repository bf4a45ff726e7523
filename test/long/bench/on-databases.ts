import { batchesInTurns } from './batch-turns.js'
import { compare, takeTurns, withContenders, withUpstream } from './compare.js'
import type { DatabaseName } from './databases.js'
import { type Figure, figureOf, median, rates, type Suite } from './figures.js'
import { withDatabase } from './servers.js'

/* Stores with a database, beside as many bare round trips of the same client. */

const databases: Readonly<Record<DatabaseName, { readonly title: string; readonly atLeast?: number }>> = {
  redis: { title: 'Redis', atLeast: 0.75 },
  postgres: { title: 'Postgres', atLeast: 0.75 },
  sqlite: { title: 'SQLite' },
}
// The keys of an object literal are its own.
const names = Object.keys(databases) as DatabaseName[]

/** Callbacks behind Hono, each with the four store calls of a decision; the bare handler makes four bare round trips. */
const behindHono = names.map((name): Suite => {
  const { title, atLeast } = databases[name]
  return {
    name,
    run: (options) =>
      withDatabase(name, (database) =>
        withUpstream((upstream) => {
          const bars = { [`${name}/limit`]: atLeast === undefined ? undefined : { atLeast } }
          return compare(`verified, hono, ${title}`, `${name}/ours`, bars, { ...options, upstream, database }, options)
        }),
      ),
  }
})

/** The four store calls of a decision alone, without receiver and HTTP. */
const storeCalls: Suite = {
  name: 'store-calls',
  async run({ warmUp, amount, turns }) {
    const figures: Figure[] = []
    for (const name of names) {
      const { title, atLeast } = databases[name]
      const taken = await withDatabase(name, (at) => {
        const ours = { name: 'ours', file: './store-calls.js', args: [name, at, 'ours'] }
        const bare = { ...ours, name: 'bare round trips', args: [name, at, 'bare'] }
        return batchesInTurns([ours, bare], { warmUp, turns, count: amount })
      })
      const bars = { 'bare round trips': atLeast === undefined ? undefined : { atLeast } }
      figures.push(...rates(`four store calls, ${title}`, 'decisions/s', taken, bars))
    }
    return figures
  },
}

/** What is added to the response while the machine has room, with Redis and without. */
const halfLoad: Suite = {
  name: 'half-load',
  run: (options) =>
    withDatabase('redis', (database) =>
      withUpstream(async (upstream) => {
        const { amount } = options
        // At a pace each takes seconds.
        const turns = Math.min(4, options.turns)
        const figures: Figure[] = []
        for (const [what, host] of [
          ['hono', 'hono'],
          ['hono, Redis', 'redis'],
        ] as const) {
          const contenders = [`${host}/ours`, `${host}/limit`]
          const taken = await withContenders(contenders, { ...options, upstream, database }, 2 * turns, async (all) => {
            const most = [...(await takeTurns(all.slice(0, 1), turns, amount)).values()].flat()
            return takeTurns(all, turns, amount, { perSecond: median(most.map(({ perSecond }) => perSecond)) / 2 })
          })
          const bars = host === 'redis' ? { [`${host}/limit`]: { addsAtMost: 1 } } : {}
          const label = `verified, ${what}, at half load`
          figures.push(
            figureOf({ what: label, unit: 'ms p50' }, taken, ({ p50Ms }) => p50Ms),
            figureOf({ what: label, unit: 'ms p99' }, taken, ({ p99Ms }) => p99Ms, bars),
          )
        }
        return figures
      }),
    ),
}

export const onDatabases: readonly Suite[] = [...behindHono, storeCalls, halfLoad]
