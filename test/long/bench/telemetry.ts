import { parseArgs } from 'node:util'
import { median } from './figures.js'
import { runScript } from './script.js'

/*
 * What telemetry costs `handle()`, as in-process.ts measures it: `telemetry.js [--beside FOLDER] [--rounds 15] [--count
 * 10000]`. Without any it is held against the package in FOLDER, built before telemetry; with providers against itself
 * without. The builds take turns, in another order each round, and each ratio is of two runs of one round.
 */
const { values } = parseArgs({
  options: {
    beside: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    count: { type: 'string', default: '10000' },
  },
})
const { beside, count } = values
const flags = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512']

/** The first is what the others are held against. */
const contenders: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['without telemetry', ['ours', count]],
  ...(beside === undefined ? [] : [['the build before telemetry', [beside, count]] as const]),
  ['with telemetry, no span sampled', ['ours', count, 'none']],
  ['with telemetry, every span exported', ['ours', count, 'all']],
]

const taken = new Map<string, { readonly cpuUs: number; readonly bytes: number }[]>(
  contenders.map(([name]) => [name, []]),
)
for (let round = 0; round < Number(values.rounds); round++) {
  const turn = round % contenders.length
  for (const [name, args] of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
    const { cpuUs = Number.NaN, bytes = Number.NaN } = await runScript('./in-process.js', args, flags)
    taken.get(name)?.push({ cpuUs, bytes })
  }
  console.error(`round ${round + 1} of ${values.rounds}`)
}

const [[first = ''] = []] = contenders
const base = taken.get(first) ?? []
for (const [name, runs] of taken) {
  const of = (column: 'cpuUs' | 'bytes'): string => {
    const ratio = median(runs.map((run, round) => run[column] / (base[round]?.[column] ?? Number.NaN)))
    const value = median(runs.map((run) => run[column]))
    return `${value.toFixed(column === 'bytes' ? 0 : 1)} ${column === 'bytes' ? 'bytes' : 'µs'} (× ${ratio.toFixed(3)})`
  }
  const least = Math.min(...runs.map(({ cpuUs }) => cpuUs))
  console.log(`${name}: ${of('cpuUs')}, least ${least.toFixed(1)} µs, ${of('bytes')}`)
}
