import { describe, expect, it } from 'vitest'
import { brokenIndexes } from '../support/broken-indexes.js'
import { type BrokenStore, brokenStores } from '../support/broken-stores.js'
import { check, timeoutMs } from '../support/fuzz-check.js'
import { describeWith } from '../support/needs.js'
import { forgetfulStores } from './fuzz/model/forgetful-stores.js'
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
    'the expected stamp is ignored',
    'a refused write moves the due time',
    'hidden keys do not come back',
    'nextDueInMs is always null',
  ]
  const known = [...brokenStores, ...brokenIndexes].filter(({ bug }) => bugs.includes(bug))

  it.each([...known, ...forgetfulStores])(
    'finds a store in which $bug',
    { timeout: timeoutMs },
    async ({ wrap }: Pick<BrokenStore, 'wrap'>) => {
      expect((await modelOver(wrap).check(5, 1_000)).failure).not.toBeNull()
    },
  )
})
