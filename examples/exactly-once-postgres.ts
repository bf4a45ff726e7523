/*
 * Exactly once with Postgres: the handler writes its effect, a row in `refunds`, and the completion of the approval
 * in one transaction. The first attempt fails after writing the row, as in a crash, and is rolled back. The second
 * attempt commits. In the end the table has one row.
 *
 *   CHEQPOINT_CONNECTION_KEY=… DATABASE_URL=postgres://… node dist/examples/exactly-once-postgres.js
 */
import { createReceiver } from 'cheqpoint-callback'
import { createTable, type PostgresQuery, postgresStore } from 'cheqpoint-callback/postgres'
import pg from 'pg'
import { z } from 'zod'

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
const query: PostgresQuery = async (text, values) => (await pool.query(text, values)).rows
await createTable(query) // in production a migration, from schemaSql()
await pool.query('CREATE TABLE IF NOT EXISTS refunds (order_id text NOT NULL, amount numeric NOT NULL)')

const store = postgresStore({ query })

/** Runs `body` in a transaction. Repeats it after a serialization failure or a deadlock. */
async function inTransaction(body: (inside: PostgresQuery) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const connection = await pool.connect()
    try {
      await connection.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
      await body(async (text, values) => (await connection.query(text, values)).rows)
      const { command } = await connection.query('COMMIT')
      // After a failed statement COMMIT becomes ROLLBACK, which pg does not report as an error.
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
      return
    } catch (error) {
      await connection.query('ROLLBACK').catch(() => {})
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      // A serialization failure or a deadlock: nothing was committed.
      if (attempt === 5 || (code !== '40001' && code !== '40P01')) throw error
    } finally {
      connection.release()
    }
  }
}

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  store,
  polling: { firstMs: 1_000 },
  runs: { backoffMs: [100, 1_000] },
  onEvent: (event) => {
    if (event.type === 'run-failed') console.log(`attempt ${event.attempt} failed`)
  },
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive() }),
      async onDecision(decision, run) {
        if (decision.status !== 'approved') return
        const { orderId, amount } = decision.details
        await inTransaction(async (inside) => {
          await store.completeIn(run, inside, { refunded: amount })
          await inside('INSERT INTO refunds (order_id, amount) VALUES ($1, $2)', [orderId, amount])
          if (run.attempt === 1) throw new Error('a crash before the commit')
        })
      },
    },
  },
})
await receiver.start()

const details = { orderId: process.argv[2] ?? '8842', amount: 120 }
const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
const { status, result } = await receiver.wait(approvalId)
const { rowCount } = await pool.query('SELECT FROM refunds WHERE order_id = $1', [details.orderId])
console.log(`${status}, ${JSON.stringify(result)}, rows in refunds: ${rowCount}`)
await receiver.close()
await pool.end()
