import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { byHand, largeEdit, refused, slowUpstream, verified } from './callbacks.js'
import { curve, type Point } from './curve.js'
import { writeDocs } from './docs-tables.js'
import type { BenchOptions, Figure } from './figures.js'
import { handle, otherBuild, resolve } from './handle.js'
import { onDatabases } from './on-databases.js'
import { imports, sizes } from './package-cost.js'
import { curveTable, describeMachine, type Part, type Report, tableOf } from './report.js'
import { memory, redisMemory, sweep } from './stores.js'
import { ticks } from './take-due.js'

/*
 * What callbacks cost beside what users would pick instead, each figure a ratio against a contender of the same run:
 * `npm run bench -- [--only verified,redis] [--quick] [--rounds 1] [--beside FOLDER] [--docs]`. `--beside` measures another
 * build of this library in turns with this one, whose package is in FOLDER. Prints a table of each part and keeps it in
 * `.tmp/bench.json`; `--docs` writes docs/performance.md from all parts that are kept there. Absolute figures mean nothing
 * on another machine.
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    beside: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
})
const { beside, quick } = values
const size = quick ? { amount: 300, turns: 2, warmUp: 600 } : { amount: 2_500, turns: 6, warmUp: 20_000 }
const options: BenchOptions = { ...size, rounds: Number(values.rounds), beside }

interface Measured {
  readonly figures?: readonly Figure[]
  readonly curve?: readonly Point[]
}
const callbacks = [verified, byHand, refused, slowUpstream, largeEdit]
const suites = [...callbacks, ...onDatabases, handle, resolve, sweep, memory, redisMemory, ticks, imports, sizes]
const parts = new Map<string, () => Promise<Measured>>([
  ...suites.map(({ name, run }) => [name, async () => ({ figures: await run(options) })] as const),
  ['curve', async () => ({ curve: await curve(options) })],
  [otherBuild.name, async () => ({ figures: await otherBuild.run(options) })],
])
const all = [...parts.keys()].filter((name) => name !== otherBuild.name || beside !== undefined)
const wanted = values.only?.split(',') ?? all
const unknown = wanted.filter((name) => !parts.has(name))
if (unknown.length > 0) throw new Error(`no part is named ${unknown.join(', ')}; known are: ${[...parts.keys()]}`)

// Kept apart, so that no short try gets among figures.
const file = quick ? '.tmp/bench-quick.json' : '.tmp/bench.json'
const kept = readKept()
for (const [at, name] of wanted.entries()) {
  const start = performance.now()
  let part: Part
  try {
    part = { ...(await parts.get(name)?.()), machine: describeMachine(options, quick) }
  } catch (error) {
    // The others are measured all the same.
    process.exitCode = 1
    console.error(`${name} failed: ${error instanceof Error ? error.message : error}\n`)
    continue
  }
  kept[name] = part
  mkdirSync('.tmp', { recursive: true })
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`)
  const seconds = ((performance.now() - start) / 1_000).toFixed(0)
  const table = part.curve === undefined ? tableOf(part.figures ?? []) : curveTable(part.curve)
  console.log(`${name}, ${seconds} s, part ${at + 1} of ${wanted.length}\n\n${table}\n`)
}
console.log(describeMachine(options, quick))
// What another build costs is for those who change this one.
if (values.docs)
  writeDocs(
    kept,
    [...parts.keys()].filter((name) => name !== otherBuild.name),
  )

/** The parts of earlier runs. */
function readKept(): Record<string, Part> {
  try {
    return { ...(JSON.parse(readFileSync(file, 'utf8')) as Report) } // written by an earlier run
  } catch {
    return {}
  }
}
