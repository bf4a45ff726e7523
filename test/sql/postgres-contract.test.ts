import { afterAll, beforeAll, describe, test } from 'vitest'
import { createTable, postgresStore } from '../../src/stores/sql/postgres-store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { describeWith } from '../support/needs.js'
import { type PostgresServer, startPostgres } from '../support/postgres-server.js'
import { type PostgresClient, postgresClients } from '../support/sql-clients.js'

let server: PostgresServer

describeWith('postgres', 'the store contract on Postgres', () => {
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  for (const [name, connect] of Object.entries(postgresClients)) {
    describe(name, () => {
      let client: PostgresClient
      let tables = 0
      beforeAll(() => {
        client = connect(server.url)
      })
      afterAll(() => client.close())
      const create = async () => {
        const table = `${name.replace('.', '_')}_${tables++}`
        await createTable(client.query, table)
        return {
          store: postgresStore({ query: client.query, table }),
          async damage(key: string) {
            await client.query(`UPDATE "${table}" SET state = '{', due = 1, parked = 1 WHERE key = $1 RETURNING key`, [
              key,
            ])
          },
        }
      }
      for (const { name: rule, run } of storeContract({ create })) test(rule, run)
    })
  }
})
