import { createClient } from 'redis'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { startRedis } from '../../support/redis-server.js'
import { withUpstream } from './compare.js'
import { type Figure, median, type Suite } from './figures.js'
import { openApproval } from './open-approval.js'
import { runScript } from './script.js'

const flags = ['--expose-gc', '--max-old-space-size=4096']
const sizes = [1_000, 10_000, 100_000, 1_000_000] as const

/** What pending approvals cost: bytes each, and the tick of a sweep, which must not depend on their number. */
export const memory: Suite = {
  name: 'memory',
  async run({ rounds }) {
    const runs: Readonly<Record<string, number>>[] = []
    for (let round = 0; round < rounds; round++)
      runs.push(await runScript('./open-records.js', sizes.map(String), flags))
    const of = (column: string | number): number => median(runs.map((run) => run[column] ?? Number.NaN))
    const [small, ...larger] = sizes
    const ticks = larger.map(
      (size): Figure => ({
        what: `32 taken of ${size.toLocaleString('en')} pending`,
        unit: 'ms',
        ours: of(size),
        others: [{ name: `of ${small.toLocaleString('en')}`, value: of(small), bar: { atMost: 1.3 } }],
      }),
    )
    const bytes: Figure = {
      what: 'open approval, memory',
      unit: 'bytes',
      ours: of('bytes'),
      others: [{ name: '1 KB', value: 1_000, bar: { atMost: 1 } }],
    }
    return [...ticks, bytes]
  },
}

/** The same on Redis, told by the server itself. */
export const redisMemory: Suite = {
  name: 'redis-memory',
  async run() {
    const server = await startRedis()
    const client = await createClient({ url: server.url }).connect()
    try {
      const store = redisStore({ sendCommand: (args) => client.sendCommand(args) })
      const used = async (): Promise<number> =>
        Number(/used_memory:(\d+)/.exec(String(await client.sendCommand(['INFO', 'memory'])))?.[1])
      await store.check?.()
      const before = await used()
      const count = 100_000
      const details = { orderId: '8842', amount: 120, text: 'x'.repeat(260) }
      for (let from = 0; from < count; from += 1_000) {
        const ids = Array.from({ length: 1_000 }, (_, at) => `apr_${from + at}`)
        await Promise.all(ids.map((id) => openApproval(store, id, details, 3_600_000)))
      }
      const bytes = ((await used()) - before) / count
      return [
        {
          what: 'open approval, Redis',
          unit: 'bytes',
          ours: bytes,
          others: [{ name: '900 bytes', value: 900, bar: { atMost: 1 } }],
        },
      ]
    } finally {
      await client.close()
      await server.stop()
    }
  },
}

/** Decisions that the sweep finds, beside bare requests for them. */
export const sweep: Suite = {
  name: 'sweep',
  run: ({ warmUp, turns, amount }) =>
    withUpstream(async (upstream) => {
      const sizes = [warmUp, turns, amount].map(String)
      const found = await runScript('./sweep-rate.js', [upstream, ...sizes])
      const [what, name] = ['decisions found and handled by a sweep', 'bare GETs, 16 at a time'] as const
      const of = (column: string): number => found[column] ?? Number.NaN
      return [
        {
          what,
          unit: 'decisions/s',
          ours: of('ours'),
          others: [{ name, value: of('limit'), ratio: of('ratio'), bar: { atLeast: 0.6 } }],
        },
        {
          what,
          unit: 'µs of processor',
          ours: of('oursCpu'),
          others: [{ name, value: of('limitCpu'), ratio: of('ratioCpu') }],
        },
      ]
    }),
}
