import { startRedis } from '../../support/redis-server.js'
import { type App, startApp } from './apps.js'
import { agent } from './by-hand.js'
import { type BenchOptions, type Figure, median, type Other, type Suite } from './figures.js'
import { type Load, type Loaded, send } from './load.js'

/*
 * Callbacks over HTTP: each contender in a process of its own, started anew each round, against one upstream. Those that
 * are compared run at the same time and are looked at in turns: a machine that is slower for a while is so for all.
 */

const connections = 32
/** Callbacks before anything is measured: by then the engine has compiled what matters. */
const warmUp = 10_000
/** Looks at each process. */
const turns = 5
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

function connectionsOf({ load }: Plan): number {
  return load?.connections ?? connections
}

/** A contender in a process of its own. */
class Contender {
  readonly name: string
  readonly #app: App
  readonly #plan: Plan
  /** Number of the next approval. */
  #next = 0

  private constructor(name: string, app: App, plan: Plan) {
    this.name = name
    this.#app = app
    this.#plan = plan
  }

  /** Knows as many approvals as `looks` of `amount` callbacks name, and is warmed up. */
  static async start(name: string, plan: Plan, looks: number, amount: number): Promise<Contender> {
    const { upstream, redis = '', known = warmUp + looks * amount + (looks + 1) * connectionsOf(plan) } = plan
    const contender = new Contender(name, await startApp('./app.js', [name, upstream, String(known), redis]), plan)
    await contender.look(warmUp)
    return contender
  }

  async look(amount: number, load: Partial<Load> = {}): Promise<Measured> {
    const { refused = false } = this.#plan
    const before = await this.#app.usage()
    const all = { url: this.#app.url, agent, body, connections, ...this.#plan.load, ...load }
    const loaded = await send({ ...all, from: this.#next, amount })
    const after = await this.#app.usage()
    // When the last answer is there, each other connection has sent one more.
    this.#next += amount + connectionsOf(this.#plan)
    if (!refused && loaded.failures > 0) throw new Error(`${this.name}: ${loaded.failures} callbacks failed`)
    if (refused && loaded.failures < amount) throw new Error(`${this.name}: not all were refused`)
    return {
      ...loaded,
      cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / amount,
      gcUs: ((after.gcMs - before.gcMs) * 1000) / amount,
    }
  }

  stop(): Promise<void> {
    return this.#app.stop()
  }
}

/** Starts contenders, lets them be used, and stops them. */
export async function withContenders<Value>(
  names: readonly string[],
  plan: Plan,
  size: { readonly looks: number; readonly amount: number },
  use: (contenders: readonly Contender[]) => Promise<Value>,
): Promise<Value> {
  const started: Contender[] = []
  try {
    for (const name of names) started.push(await Contender.start(name, plan, size.looks, size.amount))
    return await use(started)
  } finally {
    await Promise.all(started.map((contender) => contender.stop()))
  }
}

export type Taken = ReadonlyMap<string, readonly Measured[]>

/** Looks at each in turns, so that what the machine does meanwhile falls upon all. */
export async function takeTurns(
  contenders: readonly Contender[],
  turns: number,
  amount: number,
  load?: Partial<Load>,
): Promise<Taken> {
  const taken = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]))
  for (let turn = 0; turn < turns; turn++) {
    for (const contender of contenders) taken.get(contender.name)?.push(await contender.look(amount, load))
  }
  return taken
}

/** The medians of a measure; its ratios are medians of the ratios of single turns. */
export function figureOf(
  { what, unit }: Pick<Figure, 'what' | 'unit'>,
  taken: Taken,
  bars: Bars,
  pick: (measured: Measured) => number,
): Figure {
  const [own = [], ...rest] = [...taken.values()].map((measured) => measured.map(pick))
  const others = [...taken.keys()].slice(1).map((name, at): Other => {
    const theirs = rest[at] ?? []
    const ratios = own.map((value, turn) => value / (theirs[turn] ?? Number.NaN))
    return { name, value: median(theirs), ratio: median(ratios), bar: bars[name] }
  })
  return { what, unit, ours: median(own), others }
}

export async function withUpstream<Value>(use: (url: string) => Promise<Value>, latencyMs = 0): Promise<Value> {
  const upstream: App = await startApp('./upstream.js', [String(latencyMs)])
  try {
    return await use(new URL(upstream.url).origin)
  } finally {
    await upstream.stop()
  }
}

export type Bars = Readonly<Record<string, Other['bar']>>

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
  const { amount } = plan
  // One process may have compiled the same code to something better than another.
  for (let round = 0; round < rounds; round++) {
    const found = await withContenders(names, plan, { looks: turns, amount }, (all) => takeTurns(all, turns, amount))
    for (const [name, measured] of found) taken.get(name)?.push(...measured)
  }
  const figure = (unit: string, pick: (measured: Measured) => number, barred: Bars = {}): Figure =>
    figureOf({ what, unit }, taken, barred, pick)
  return [
    figure('callbacks/s', ({ perSecond }) => perSecond, bars),
    figure('µs of processor', ({ cpuUs }) => cpuUs),
    figure('µs of it in GC', ({ gcUs }) => gcUs),
    figure('ms p50', ({ p50Ms }) => p50Ms),
    figure('ms p99', ({ p99Ms }) => p99Ms),
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
          { upstream, redis: server.url, amount: options.amount },
          options,
        ),
      )
    } finally {
      await server.stop()
    }
  },
}

/** What is added to the answer while the machine has room, with Redis and without. */
export const halfLoad: Suite = {
  name: 'half-load',
  async run({ amount }) {
    const server = await startRedis()
    try {
      return await withUpstream(async (upstream) => {
        const figures: Figure[] = []
        for (const [what, host] of [
          ['hono', 'hono'],
          ['hono, Redis', 'redis'],
        ] as const) {
          const names = [`${host}/ours`, `${host}/limit`]
          const plan = { upstream, redis: server.url, amount }
          const taken = await withContenders(names, plan, { looks: 3 * turns, amount }, async (all) => {
            const most = [...(await takeTurns(all.slice(0, 1), turns, amount)).values()].flat()
            return takeTurns(all, turns, 2 * amount, { perSecond: median(most.map(({ perSecond }) => perSecond)) / 2 })
          })
          const bars = host === 'redis' ? { [`${host}/limit`]: { addsAtMost: 1 } } : {}
          const label = `verified, ${what}, at half load`
          figures.push(
            figureOf({ what: label, unit: 'ms p50' }, taken, {}, ({ p50Ms }) => p50Ms),
            figureOf({ what: label, unit: 'ms p99' }, taken, bars, ({ p99Ms }) => p99Ms),
          )
        }
        return figures
      })
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
