import { parseArgs } from 'node:util'
import { attacks, full, quick } from './attacks.js'
import type { Figures } from './figures.js'
import type { HostName } from './messages.js'
import { printFigures, writeReport } from './report.js'
import { perform } from './run.js'

/*
 * The load harness. Runs every attack on both hosts and rewrites the table of docs/load.md; selected or small runs are
 * only printed.
 * Use: node dist/test/long/load/main.js [--only slow,all] [--host hono] [--quick] [--seed 7]
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    host: { type: 'string' },
    quick: { type: 'boolean', default: false },
    seed: { type: 'string' },
  },
})

// The other processes end when this one does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const names = values.only?.split(',')
const chosen = attacks.filter(({ name }) => names === undefined || names.includes(name))
const hosts = (['express', 'hono'] as const).filter((host) => values.host === undefined || values.host === host)
if (chosen.length === 0 || hosts.length === 0)
  throw new Error(`known are: ${attacks.map(({ name }) => name).join(', ')}; express, hono`)
const size = values.quick ? quick : full
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const baselines = new Map<HostName, Figures>()
const all: Figures[] = []
for (const attack of chosen) {
  for (const host of hosts) {
    const figures = await perform(attack, host, size, seed)
    if (attack.assaults.length === 0) baselines.set(host, figures)
    printFigures(figures, baselines.get(host))
    all.push(figures)
  }
}
if (size === full && names === undefined && values.host === undefined) writeReport(all)
if (all.some(({ violations }) => violations.length > 0)) process.exitCode = 1
