import { expect, it } from 'vitest'
import type { Property } from '../long/fuzz/property.js'
import { describeFailure, describeReport } from '../long/fuzz/report.js'

/*
 * A part of what `npm run fuzz` makes: 100,000 cases of most properties. A case of `adapters` takes five hosts, one of
 * `sockets` ten, one of the models is a story of up to fifty commands: of these there are 1,000, 40, 300 and 40. FUZZ_RUNS
 * sets the cases of each property, SEED the seed.
 */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** No property takes so long, however slow the machine. */
export const timeoutMs = 900_000

/** One test that checks a property. */
export function check(property: Property): void {
  const cases = Number(process.env['FUZZ_RUNS'] ?? property.cases.suite)
  it(`${property.says}: ${cases} cases of ${property.name}`, { timeout: timeoutMs }, async () => {
    const report = await property.check(seed, cases)
    console.log(describeReport(property.name, seed, report))
    expect(report.failure && describeFailure(report.failure)).toBeNull()
    // A property that met no occasion to fail has shown nothing.
    if (cases >= property.cases.suite)
      expect([...report.seen.keys()]).toEqual(expect.arrayContaining([...property.sees]))
  })
}
