import { startRedis } from '../support/redis-server.js'
import { type App, startApp } from './apps.js'
import { agent } from './by-hand.js'
import { type BenchOptions, type Figure, inTurns, median, type Other, type Suite } from './figures.js'
import { type Load, type Loaded, send } from './load.js'

/*
 * Callbacks over HTTP: each contender in a process of its own, started anew each round, against one upstream.
 */

const connections = 32
export const body = '{"approvalId":"c_%d","status":"approved","modifiedDetails":null,"decisionNote":"Fine."}'

export interface Measured extends Loaded {
  /** Processor time of the contender for one callback, microseconds. */
  readonly cpuUs: number
  /** Of these, in garbage collection. */
  readonly gcUs: number
}

export interface Plan {
  readonly upstream: string
  readonly redis?: string
  readonly amount: number
  readonly load?: Partial<Load>
  /** Statuses of 400 and above are what is asked for. */
  readonly refused?: boolean
  /** How many approvals the contender knows. Default: one for each callback. */
  readonly known?: number
}

/** One contender under load, after a warm-up of a quarter of it. */
export async function measure(contender: string, plan: Plan): Promise<Measured> {
  const { upstream, redis = '', amount, refused = false } = plan
  const warmUp = amount >> 2
  // When the last answer is there, each other connection has sent one more.
  const from = warmUp + connectionsOf(plan)
  const known = plan.known ?? from + amount + connectionsOf(plan)
  const app = await startApp('./app.js', [contender, upstream, String(known), redis])
  try {
    const load = { url: app.url, agent, body, connections, ...plan.load }
    await send({ ...load, from: 0, amount: warmUp })
    const before = await app.usage()
    const loaded = await send({ ...load, from, amount })
    const after = await app.usage()
    if (!refused && loaded.failures > 0) throw new Error(`${contender}: ${loaded.failures} callbacks failed`)
    if (refused && loaded.failures < amount) throw new Error(`${contender}: not all were refused`)
    return {
      ...loaded,
      cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / amount,
      gcUs: ((after.gcMs - before.gcMs) * 1000) / amount,
    }
  } finally {
    await app.stop()
  }
}

function connectionsOf({ load }: Plan): number {
  return load?.connections ?? connections
}

export async function withUpstream<Value>(use: (url: string) => Promise<Value>, latencyMs = 0): Promise<Value> {
  const upstream: App = await startApp('./upstream.js', [String(latencyMs)])
  try {
    return await use(new URL(upstream.url).origin)
  } finally {
    await upstream.stop()
  }
}

type Bars = Readonly<Record<string, Other['bar']>>

/** Callbacks a second, and processor time for one, of `<host>/ours` beside the others of that host. */
async function compare(
  what: string,
  ours: string,
  bars: Bars,
  plan: Plan,
  { rounds }: BenchOptions,
): Promise<readonly Figure[]> {
  const names = [ours, ...Object.keys(bars)]
  const taken = new Map<string, Measured[]>(names.map((name) => [name, []]))
  await inTurns(
    rounds,
    Object.fromEntries(
      names.map((name) => [
        name,
        async () => {
          const measured = await measure(name, plan)
          taken.get(name)?.push(measured)
          return measured.perSecond
        },
      ]),
    ),
  )
  const figure = (unit: string, pick: (measured: Measured) => number, barred: boolean): Figure => {
    const of = (name: string): number => median((taken.get(name) ?? []).map(pick))
    const others = Object.entries(bars).map(([name, bar]) => ({ name, value: of(name), bar: barred ? bar : undefined }))
    return { what, unit, ours: of(ours), others }
  }
  return [
    figure('callbacks/s', ({ perSecond }) => perSecond, true),
    figure('µs of processor', ({ cpuUs }) => cpuUs, false),
    figure('µs of it in GC', ({ gcUs }) => gcUs, false),
    figure('ms p50', ({ p50Ms }) => p50Ms, false),
    figure('ms p99', ({ p99Ms }) => p99Ms, false),
  ]
}

export const verified: Suite = {
  name: 'verified',
  run: (options) =>
    withUpstream(async (upstream) => {
      const plan = { upstream, amount: options.amount }
      const bars: Readonly<Record<string, Bars>> = {
        hono: { 'hono/limit': { atLeast: 0.9 }, 'hono/by-hand': { atLeast: 3 } },
        express: { 'express/limit': { atLeast: 1 }, 'express/by-hand': { atLeast: 2 } },
        fetch: { 'fetch/limit': undefined, 'fetch/by-hand': undefined },
      }
      const figures: Figure[] = []
      for (const [host, each] of Object.entries(bars))
        figures.push(...(await compare(`verified, ${host}`, `${host}/ours`, each, plan, options)))
      return figures
    }),
}

export const slowUpstream: Suite = {
  name: 'slow-upstream',
  run: (options) =>
    withUpstream((upstream) => {
      const plan = { upstream, amount: options.amount >> 1, load: { connections: 128 } }
      const bars = { 'hono/limit': undefined, 'hono/by-hand': undefined }
      return compare('verified, hono, upstream 20 ms, 128 at a time', 'hono/ours', bars, plan, options)
    }, 20),
}

export const redis: Suite = {
  name: 'redis',
  async run(options) {
    const server = await startRedis()
    try {
      return await withUpstream((upstream) =>
        compare(
          'verified, hono, Redis',
          'redis/ours',
          { 'redis/limit': { atLeast: 0.7 } },
          { upstream, redis: server.url, amount: options.amount >> 1 },
          options,
        ),
      )
    } finally {
      await server.stop()
    }
  },
}

export const refused: Suite = {
  name: 'refused',
  run: (options) =>
    withUpstream(async (upstream) => {
      const amount = options.amount
      const known = 10
      const junk = { upstream, amount, known, refused: true }
      const stranger = { ...junk, load: { agent: 'Stranger/1.0' } }
      const unknown = { ...junk, load: { body: '{"approvalId":"u_%d","status":"approved"}' } }
      const malformed = { ...junk, load: { body: '{"approvalId":"u_%d",' } }
      const again = { upstream, amount, known, load: { body: '{"approvalId":"c_1","status":"approved"}' } }
      const figures: Figure[] = []
      for (const host of ['hono', 'express']) {
        const ours = `${host}/ours`
        const limit = `${host}/limit`
        const rivals: Bars =
          host === 'express'
            ? { 'express/octokit': { atLeast: 1 }, 'express/standard-webhooks': undefined }
            : ({} satisfies Bars)
        const bare = { [`${host}/bare-403`]: { atLeast: 1 }, ...rivals }
        figures.push(
          ...(await compare(`refused by agent, ${host}`, ours, bare, stranger, options)),
          ...(await compare(`unknown id, ${host}`, ours, { [limit]: { atLeast: 0.9 } }, unknown, options)),
          ...(await compare(`malformed, ${host}`, ours, { [limit]: undefined }, malformed, options)),
          ...(await compare(`duplicates, ${host}`, ours, { [limit]: { atLeast: 0.9 } }, again, options)),
        )
      }
      return figures
    }),
}
