import { fileURLToPath } from 'node:url'
import { temporaryFile } from '../../support/sql-clients.js'
import { start } from './kills.js'

/*
 * Measures timer delays in two processes that write one SQLite file at the same time, and in one that writes nothing,
 * which shows the delay caused by the machine:
 * node dist/test/long/sqlite-kills/delay.js [seconds] [client]
 */

interface Report {
  readonly name: string
  readonly percentiles: readonly number[]
}

const [, , seconds = '20', client = 'libsql'] = process.argv
const { path, remove } = temporaryFile()
const worker = fileURLToPath(new URL('./worker.js', import.meta.url))
const reports = ['first', 'second', 'idle'].map((name) => {
  const plan = { client, path, log: `${path}.log`, name, forMs: Number(seconds) * 1_000, isIdle: name === 'idle' }
  const child = start(worker, plan)
  // The worker sends only this type.
  return new Promise<Report>((resolve) => child.once('message', (report) => resolve(report as Report)))
})
let worst = 0
for (const { name, percentiles } of await Promise.all(reports)) {
  const [p50 = 0, p90 = 0, p99 = 0, p999 = 0, most = 0] = percentiles
  if (name !== 'idle') worst = Math.max(worst, p99)
  const shown = { p50, p90, p99, 'p99.9': p999, most }
  const text = Object.entries(shown).map(([of, ms]) => `${of} ${ms.toFixed(1)}`)
  console.log(`${client} ${name} process, event loop delay in ms: ${text.join('  ')}`)
}
remove()
process.exitCode = worst < 100 ? 0 : 1
