import { type App, startApp } from './apps.js'
import { agent } from './by-hand.js'
import { type Bars, type BenchOptions, type Figure, figureOf, rates, type Taken } from './figures.js'
import { type Load, type Loaded, send } from './load.js'

/*
 * Callbacks over HTTP: each contender in a process of its own, started anew each round, against one upstream. Those that
 * are compared run at the same time and are measured in turns: a machine that is slower for a while is so for all.
 */

const connections = 32
export const body = '{"approvalId":"c_%d","status":"approved","modifiedDetails":null,"decisionNote":"Fine."}'

export interface Measured extends Loaded {
  /** Processor time of the contender for one callback, microseconds. */
  readonly cpuUs: number
  /** Of these, in garbage collection. */
  readonly gcUs: number
}

export interface Plan extends Pick<BenchOptions, 'amount' | 'warmUp' | 'beside'> {
  readonly upstream: string
  /** Where the store keeps its data: a URL, or a path. */
  readonly database?: string
  readonly load?: Partial<Load>
  /** Statuses of 400 and above are what is asked for. */
  readonly refused?: boolean
  /** How many approvals the contender knows. Default: one for each callback. */
  readonly known?: number
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
  static async start(name: string, plan: Plan, looks: number): Promise<Contender> {
    const { upstream, database = '', beside = '', amount, warmUp, load } = plan
    const spare = (looks + 1) * (load?.connections ?? connections)
    const { known = 1 + warmUp + looks * amount + spare } = plan
    const contender = new Contender(
      name,
      await startApp('./app.js', [name, upstream, String(known), database, beside]),
      plan,
    )
    try {
      await contender.#sendFirst()
      await contender.look(warmUp)
    } catch (error) {
      await contender.stop()
      throw error
    }
    return contender
  }

  /** Alone, so that copies of it find it handled and not in progress. */
  async #sendFirst(): Promise<void> {
    const all = { agent, body, ...this.#plan.load }
    const headers = { 'user-agent': all.agent, 'content-type': 'application/json' }
    const text = all.body.replace('%d', String(this.#next++))
    await (await fetch(this.#app.url, { method: 'POST', headers, body: text })).text()
  }

  async look(amount: number, load: Partial<Load> = {}): Promise<Measured> {
    const { refused = false } = this.#plan
    const before = await this.#app.usage()
    const all = { url: this.#app.url, agent, body, connections, ...this.#plan.load, ...load }
    const loaded = await send({ ...all, from: this.#next, amount })
    const after = await this.#app.usage()
    // When the last response is there, each other connection has sent one more.
    this.#next += amount + all.connections
    const { failures } = loaded
    const problem = refused
      ? failures < amount && 'not all were refused'
      : failures > 0 && `${failures} callbacks failed`
    if (problem) throw new Error(`${this.name}, ${all.body}: ${problem}`)
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

/** Starts contenders that can be looked at so often, lets them be used, and stops them. */
export async function withContenders<Value>(
  names: readonly string[],
  plan: Plan,
  looks: number,
  use: (contenders: readonly Contender[]) => Promise<Value>,
): Promise<Value> {
  const starts = await Promise.allSettled(names.map((name) => Contender.start(name, plan, looks)))
  const started = starts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  try {
    for (const each of starts) if (each.status === 'rejected') throw each.reason
    return await use(started)
  } finally {
    await Promise.all(started.map((contender) => contender.stop()))
  }
}

/** Looks at each in turns, so that what the machine does meanwhile falls upon all. */
export async function takeTurns(
  contenders: readonly Contender[],
  turns: number,
  amount: number,
  load?: Partial<Load>,
): Promise<Taken<Measured>> {
  const taken = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]))
  for (let turn = 0; turn < turns; turn++) {
    // Another one begins each time.
    for (const contender of turn % 2 === 0 ? contenders : contenders.toReversed())
      taken.get(contender.name)?.push(await contender.look(amount, load))
  }
  return taken
}

/** Runs an API that approves everything, after `latencyMs`, with `editBytes` of edited details in each response. */
export async function withUpstream<Value>(
  use: (url: string) => Promise<Value>,
  { latencyMs = 0, editBytes = 0 }: { readonly latencyMs?: number; readonly editBytes?: number } = {},
): Promise<Value> {
  const upstream: App = await startApp('./upstream.js', [String(latencyMs), String(editBytes)])
  try {
    return await use(new URL(upstream.url).origin)
  } finally {
    await upstream.stop()
  }
}

/** Callbacks a second, and processor time for one, of `<host>/ours` beside the others of that host. */
export async function compare(
  what: string,
  ours: string,
  bars: Bars,
  plan: Plan,
  { rounds, turns }: Pick<BenchOptions, 'rounds' | 'turns'>,
): Promise<readonly Figure[]> {
  const names = [ours, ...Object.keys(bars)]
  const taken = new Map<string, Measured[]>(names.map((name) => [name, []]))
  // One process may have compiled the same code to something better than another.
  for (let round = 0; round < rounds; round++) {
    const found = await withContenders(names, plan, turns, (all) => takeTurns(all, turns, plan.amount))
    for (const [name, measured] of found) taken.get(name)?.push(...measured)
  }
  return [
    ...rates(what, 'callbacks/s', taken, bars),
    figureOf({ what, unit: 'µs of it in GC' }, taken, ({ gcUs }) => gcUs),
    figureOf({ what, unit: 'ms p50' }, taken, ({ p50Ms }) => p50Ms),
    figureOf({ what, unit: 'ms p99' }, taken, ({ p99Ms }) => p99Ms),
  ]
}
