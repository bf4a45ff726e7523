import { describe, expect, it } from 'vitest'
import { brokenStores } from '../support/broken-stores.js'
import { check, timeoutMs } from '../support/fuzz-check.js'
import { describeWith } from '../support/needs.js'
import { modelOver } from './fuzz/models.js'
import { properties, requestProperties } from './fuzz/properties.js'

describe('in random cases', () => {
  for (const property of properties) if (!property.needsRedis && !requestProperties.includes(property)) check(property)
})

describeWith('redis-server', 'in random cases on Redis', () => {
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
