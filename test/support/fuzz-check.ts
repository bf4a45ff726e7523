import { expect, it } from 'vitest'
import type { Property } from '../long/fuzz/property.js'
import { describeFailure, describeReport } from '../long/fuzz/report.js'

/*
 * A part of `npm run fuzz`: 100,000 cases of most properties. A case of `adapters` uses five hosts, one of `sockets`
 * ten, one of the models runs up to fifty commands, so these have 1,000, 40, 300 and 40 cases. FUZZ_RUNS sets the cases
 * of each property, SEED the seed.
 */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** Longer than any property takes on a slow machine. */
export const timeoutMs = 900_000

/** One test that checks a property. */
export function check(property: Property): void {
  const cases = Number(process.env['FUZZ_RUNS'] ?? property.cases.suite)
  it(`${property.says}: ${cases} cases of ${property.name}`, { timeout: timeoutMs }, async () => {
    const report = await property.check(seed, cases)
    console.log(describeReport(property.name, seed, report))
    expect(report.failure && describeFailure(report.failure)).toBeNull()
    // A property that saw no relevant case has proved nothing.
    if (cases >= property.cases.suite)
      expect([...report.seen.keys()]).toEqual(expect.arrayContaining([...property.sees]))
  })
}
