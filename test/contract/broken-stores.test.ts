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

  test('takes a close() that is not asynchronous, and rejects with the error of the case before that of close()', async () => {
    const [first] = storeContract({ create: async () => ({ ...timedStore(), close: () => undefined }) as never })
    await expect(first?.run()).resolves.toBeUndefined()
    const read = () => Promise.reject(new Error('the store failed'))
    const close = () => {
      throw new Error('close failed')
    }
    const [second] = storeContract({ create: async () => ({ store: { ...timedStore().store, read }, close }) })
    await expect(second?.run()).rejects.toThrow('the store failed')
  })

  test('passes on the correct store that they wrap', async () => {
    for (const { run } of storeContract({ create: async () => timedStore() })) await run()
  })
})
