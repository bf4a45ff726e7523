import { describe, expect, it } from 'vitest'
import { modelOver } from './fuzz/models.js'
import { properties } from './fuzz/properties.js'
import type { Property } from './fuzz/property.js'
import { describeFailure, describeReport } from './fuzz/report.js'
import { brokenStores } from './support/broken-stores.js'
import { describeWithRedis } from './support/redis-bench.js'

/*
 * A part of what `npm run fuzz` makes: 100,000 cases of most properties. A case of `adapters` takes five hosts, one of
 * `sockets` ten, one of the models is a story of up to fifty commands: of these there are 1,000, 40, 300 and 40. FUZZ_RUNS
 * sets the cases of each property, SEED the seed.
 */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const timeoutMs = 900_000

function check(property: Property): void {
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

describe('in random cases', () => {
  for (const property of properties.filter(({ needsRedis }) => !needsRedis)) check(property)
})

describeWithRedis('in random cases on Redis', () => {
  for (const property of properties.filter(({ needsRedis }) => needsRedis)) check(property)
})

describe('the model of the promises', () => {
  const bugs = [
    'claim ignores a live lease',
    'the fence stands still',
    'claim revives parked records',
    'complete takes any token',
    'takeDue forgets what it handed out',
    'adding again replaces',
  ]

  it.each(brokenStores.filter(({ bug }) => bugs.includes(bug)))(
    'finds a store in which $bug',
    { timeout: timeoutMs },
    async ({ wrap }) => {
      expect((await modelOver(wrap).check(5, 1_000)).failure).not.toBeNull()
    },
  )
})
