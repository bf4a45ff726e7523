import { parseArgs } from 'node:util'
import { findTool } from '../../support/needs.js'
import { properties } from './properties.js'
import { print } from './report.js'

/*
 * The fuzz run: all properties, or the named ones, each with the same seed.
 * `--runs` sets the cases of each; by default each has its full number of cases.
 * Use: node dist/test/long/fuzz/main.js [--seed 7] [--runs 1000] [--only bodies,ids]
 */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string' }, only: { type: 'string' } },
})
const names = values.only?.split(',') ?? properties.map(({ name }) => name)
const unknown = names.filter((name) => properties.every((each) => each.name !== name))
if (unknown.length > 0) {
  throw new Error(`no such property: ${unknown.join(', ')}; there are ${properties.map(({ name }) => name).join(', ')}`)
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
for (const property of properties.filter(({ name }) => names.includes(name))) {
  if (property.needsRedis && findTool('redis-server') === undefined) {
    console.warn(`SKIPPED, because redis-server is not installed: ${property.name}`)
    continue
  }
  console.log(`fuzz ${property.name}: seed ${seed} …`)
  const report = await property.check(seed, Number(values.runs ?? property.cases.full))
  print(property, seed, report)
  if (report.failure !== null) process.exitCode = 1
}
