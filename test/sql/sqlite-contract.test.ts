import { describe, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { sqliteClients, temporaryFile } from '../support/sql-clients.js'

const damaging = 'UPDATE cheqpoint_entries SET state = ?, due = 1, parked = 1 WHERE key = ? RETURNING key'

for (const [name, open] of Object.entries(sqliteClients)) {
  describe(`the store contract on ${name}`, () => {
    const create = async () => {
      const { path, remove } = temporaryFile()
      const database = open(path)
      return {
        store: sqliteStore(database),
        async damage(key: string) {
          database.prepare(damaging).all('{', key)
        },
        async close() {
          database.close()
          remove()
        },
      }
    }
    for (const { name: rule, run } of storeContract({ create })) test(rule, run)
  })
}
