import { describe, expect, test } from 'vitest'
import { storeContract } from '../../src/testing/store-contract.js'
import { brokenIndexes } from '../support/broken-indexes.js'
import { brokenStores } from '../support/broken-stores.js'
import { timedStore } from '../support/timed-store.js'

describe('the store contract', () => {
  test.each([...brokenStores, ...brokenIndexes])('catches a store in which $bug', async ({ breaks, wrap }) => {
    const harness = {
      async create() {
        const timed = timedStore()
        return { ...timed, store: wrap(timed.store) }
      },
    }
    const rules = storeContract(harness).filter(({ name }) => name.includes(breaks))
    expect(rules, `a rule with the words “${breaks}”`).not.toEqual([])
    const caught = await Promise.all(
      rules.map(({ run }) =>
        run().then(
          () => false,
          () => true,
        ),
      ),
    )
    expect(caught).toContain(true)
  })

  test('passes on the correct store that they wrap', async () => {
    for (const { run } of storeContract({ create: async () => timedStore() })) await run()
  })
})
