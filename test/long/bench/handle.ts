import { type BatchContender, batchesInTurns } from './batch-turns.js'
import { early } from './callbacks.js'
import { compare, withUpstream } from './compare.js'
import { type BenchOptions, type Figure, figureOf, type Other, rates, type Suite } from './figures.js'

/** A young generation that holds everything, so that bytes are counted and not collected. */
const flags = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512']

/** What `handle()` costs by itself, beside the recipe as a function. */
export const handle: Suite = {
  name: 'handle',
  run: (options) =>
    handleBeside({ name: 'the recipe as a function', file: './in-process.js', args: ['by-hand'] }, options),
}

/** `verifyAndResolve` with a memory store, beside the bare request that it makes. */
export const resolve: Suite = {
  name: 'resolve',
  run: ({ warmUp, turns, amount }) =>
    withUpstream(async (upstream) => {
      const contenders = ['ours', 'bare'].map((who) => ({
        name: who === 'bare' ? 'a bare pool.request' : who,
        file: './resolve.js',
        args: [upstream, who],
      }))
      const taken = await batchesInTurns(contenders, { warmUp, turns, count: amount })
      return rates('verifyAndResolve() and complete()', 'decisions/s', taken)
    }),
}

/** This build beside another one: what callbacks cost behind Hono, and `handle()` alone. */
export const otherBuild: Suite = {
  name: 'other-build',
  async run(options) {
    const { beside } = options
    if (beside === undefined) throw new Error('needs --beside FOLDER, the package of another build')
    const other = { name: 'other build', file: './in-process.js', args: [beside] }
    return withUpstream(async (upstream) => {
      const figures: Figure[] = []
      const { malformed: _, ...rest } = early
      for (const [what, plan] of Object.entries({ verified: {}, ...rest })) {
        const all = { ...options, ...plan, upstream }
        figures.push(...(await compare(`${what}, hono`, 'hono/ours', { 'hono/other': undefined }, all, options)))
      }
      return [...figures, ...(await handleBeside(other, options, { atMost: 0.5 }))]
    })
  },
}

async function handleBeside(
  other: BatchContender,
  { warmUp, turns, amount }: BenchOptions,
  bar?: Other['bar'],
): Promise<readonly Figure[]> {
  const contenders = [{ name: 'ours', file: './in-process.js', args: ['ours'] }, other]
  const taken = await batchesInTurns(contenders, { warmUp, turns, count: 2 * amount, flags })
  const what = 'handle() alone, no HTTP and no network'
  const bars = { [other.name]: bar }
  return [
    figureOf({ what, unit: 'µs of processor' }, taken, ({ cpuUs }) => cpuUs, bars),
    figureOf({ what, unit: 'bytes allocated' }, taken, ({ bytes }) => bytes, bars),
  ]
}
