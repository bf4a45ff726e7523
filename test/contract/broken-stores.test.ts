import { describe, expect, test } from 'vitest'
import { type StoreHarness, storeContract } from '../../src/testing/store-contract.js'
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

  test('says what create() must resolve with if it gives the store itself', async () => {
    // A mistake from JavaScript.
    const harness = { create: async () => timedStore().store } as unknown as StoreHarness
    const [first] = storeContract(harness)
    await expect(first?.run()).rejects.toThrow('create() must resolve with { store }, not with the store itself')
  })

  test('passes on the correct store that they wrap', async () => {
    for (const { run } of storeContract({ create: async () => timedStore() })) await run()
  })
})
