import { type Figure, median, type Suite } from './figures.js'
import { runScript } from './script.js'

/* What `handle()` costs by itself, beside the recipe as a function, and beside another build of this library. */

/** A young generation that holds everything, so that bytes are counted and not collected. */
const flags = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512']

export const handle: Suite = {
  name: 'handle',
  async run({ rounds, beside }) {
    type Runs = Readonly<Record<string, number>>[]
    const taken = { ours: [] as Runs, hand: [] as Runs, other: [] as Runs }
    for (let round = 0; round < rounds; round++) {
      taken.ours.push(await runScript('./in-process.js', ['ours', '5000'], flags))
      taken.hand.push(await runScript('./in-process.js', ['by-hand', '5000'], flags))
      if (beside !== undefined) taken.other.push(await runScript('./in-process.js', [beside, '5000'], flags))
    }
    return ['cpuUs', 'bytes'].map((column): Figure => {
      const of = (runs: readonly Readonly<Record<string, number>>[]): number =>
        median(runs.map((run) => run[column] ?? Number.NaN))
      return {
        what: 'handle() alone, no HTTP and no network',
        unit: column === 'bytes' ? 'bytes allocated' : 'µs of processor',
        ours: of(taken.ours),
        others: [
          { name: 'the recipe as a function', value: of(taken.hand) },
          ...(beside === undefined ? [] : [{ name: 'the other build', value: of(taken.other), bar: { atMost: 0.7 } }]),
        ],
      }
    })
  },
}
