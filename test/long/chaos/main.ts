import { parseArgs } from 'node:util'
import { printFigures, writeReport } from './report.js'
import { judge, perform } from './run.js'
import { runs } from './runs.js'

/*
 * The fault harness. Executes all runs, or the named ones, and rewrites their rows in docs/reliability.md; runs that
 * are not at full size are only printed.
 * Use: node dist/test/long/chaos/main.js [F2 F8 …] [--seed 7] [--size 1000], or --judge FOLDER
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, size: { type: 'string' }, judge: { type: 'string' } },
})

// Kills the servers when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

/** Whether a run is meant by a name: F8 means F8a, F8b, F8ap and so on. */
const isMeant = (run: string, name: string): boolean => run === name || run.replace(/[a-z]+$/, '') === name
const unknown = positionals.filter((name) => !runs.some((run) => isMeant(run.name, name)))
if (unknown.length > 0) throw new Error(`no run is named ${unknown}; there are ${runs.map(({ name }) => name)}`)
const chosen = runs.filter((run) => positionals.length === 0 || positionals.some((name) => isMeant(run.name, name)))

if (values.judge !== undefined) {
  const folder = values.judge
  const run = runs.find(({ name }) => folder.split('/').at(-1)?.split('-')[0] === name)
  if (run === undefined) throw new Error('the folder is not named after a run')
  const figures = judge(folder, run)
  printFigures(figures)
  if (figures.violations.length > 0) process.exitCode = 1
} else {
  const all = []
  for (const run of chosen) {
    const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
    console.log(`\n${run.name}, seed ${seed}: ${run.title}`)
    const figures = await perform(run, seed, Number(values.size ?? run.size))
    printFigures(figures)
    all.push(figures)
    if (values.size === undefined) writeReport([figures])
  }
  if (all.some(({ violations }) => violations.length > 0)) process.exitCode = 1
}
