import { inspect } from 'node:util'
import type { Failure, Property, Report } from './property.js'

/** One line for a property that held; everything to reproduce a failure for one that did not. */
export function print({ name, says }: Property, seed: number, report: Report): void {
  console.log(describeReport(name, seed, report))
  if (report.failure !== null) console.error(`  DOES NOT HOLD: ${says}\n${describeFailure(report.failure)}`)
}

/** Property, seed, cases, time, and counts of events. */
export function describeReport(name: string, seed: number, { cases, ms, seen }: Report): string {
  const what = [...seen].sort(([, a], [, b]) => b - a).map(([each, count]) => `${each} ${count}`)
  return `fuzz ${name}: seed ${seed}, ${cases} cases, ${(ms / 1000).toFixed(1)} s; ${what.join(', ')}`
}

export function describeFailure({ error, example, path }: Failure): string {
  return `  smallest case: ${example}\n  path: ${path}\n  ${inspect(error)}`
}
