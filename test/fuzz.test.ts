import { describe, expect, it } from 'vitest'
import { properties } from './fuzz/properties.js'
import { print } from './fuzz/report.js'

/** A part of what `npm run fuzz` makes, which is a million of most. */
const cases = 10_000

describe('whatever comes', () => {
  it.each(properties)('$name: $says', { timeout: 300_000 }, async (property) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const report = await property.check(seed, Math.min(property.cases.suite, cases))
    print(property, seed, report)
    expect(report.failure).toBeNull()
  })
})
