import { inspect } from 'node:util'
import type { Property, Report } from './property.js'

/** One line for a property that held; for one that did not, all that is needed to see it fail again. */
export function print({ name, says }: Property, seed: number, report: Report): void {
  console.log(describe(name, seed, report))
  if (report.failure === null) return
  const { error, example, path } = report.failure
  console.log(`  DOES NOT HOLD: ${says}\n  smallest case: ${example}\n  path: ${path}\n  ${inspect(error)}`)
}

export function describe(name: string, seed: number, { cases, ms, seen }: Report): string {
  const what = [...seen].sort(([, a], [, b]) => b - a).map(([each, count]) => `${each} ${count}`)
  return `fuzz ${name}: seed ${seed}, ${cases} cases, ${(ms / 1000).toFixed(1)} s; ${what.join(', ')}`
}
