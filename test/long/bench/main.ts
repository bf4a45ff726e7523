import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { halfLoad, redis, refused, slowUpstream, verified } from './callbacks.js'
import { curve, type Point } from './curve.js'
import type { Figure } from './figures.js'
import { handle } from './handle.js'
import { imports, sizes } from './package-cost.js'
import { curveTable, describeMachine, type Report, tableOf, writeDocs } from './report.js'
import { memory, redisMemory, sweep } from './stores.js'

/*
 * What callbacks cost beside what users would pick instead, each figure a ratio against a contender of the same run:
 * `npm run bench -- [--only verified,redis] [--rounds 3] [--amount 2500] [--beside FOLDER] [--docs]`. `--beside` measures
 * `handle()` of another build too. Prints a table, and keeps everything in `.tmp/bench.json`; `--docs` writes docs/performance.md. Absolute figures mean nothing on another machine.
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    amount: { type: 'string', default: '2500' },
    beside: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
})
const options = { rounds: Number(values.rounds), amount: Number(values.amount), beside: values.beside }
const suites = [verified, slowUpstream, refused, redis, halfLoad, handle, sweep, memory, redisMemory, imports, sizes]
const wanted = values.only?.split(',')

const figures: Figure[] = []
for (const suite of suites) {
  if (wanted?.includes(suite.name) === false) continue
  console.error(`${suite.name} …`)
  const found = await suite.run(options)
  console.error(tableOf(found))
  figures.push(...found)
}
let points: readonly Point[] = []
if (wanted?.includes('curve') !== false) {
  console.error('curve …')
  points = await curve(options)
}

const report: Report = { machine: describeMachine(), options, figures, curve: points }
mkdirSync('.tmp', { recursive: true })
writeFileSync('.tmp/bench.json', `${JSON.stringify(report, null, 2)}\n`)
console.log(`${report.machine}\n\n${tableOf(figures)}\n\n${curveTable(points)}`)
if (values.docs) writeDocs(report)
