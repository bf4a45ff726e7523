/*
 * Exactly once with SQLite: the handler writes its effect, a row in `refunds`, and the completion of the approval in
 * one transaction of one file. The first attempt fails after writing the row, as in a crash, and is rolled back. The
 * second attempt commits. In the end the table has one row. better-sqlite3 works the same way.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/exactly-once-sqlite.js app.db
 */
import { createReceiver } from 'cheqpoint-callback'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import Database from 'libsql'
import { z } from 'zod'

const database = new Database(process.argv[2] ?? 'app.db')
database.exec('CREATE TABLE IF NOT EXISTS refunds (order_id TEXT NOT NULL, amount REAL NOT NULL)')

const store = sqliteStore(database)

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
      onDecision(decision, run) {
        if (decision.status !== 'approved') return
        const { orderId, amount } = decision.details
        // Synchronous from BEGIN to COMMIT: nothing is awaited in between.
        const refund = database.transaction(() => {
          database.prepare('INSERT INTO refunds (order_id, amount) VALUES (?, ?)').run(orderId, amount)
          store.completeIn(run, { refunded: amount })
          if (run.attempt === 1) throw new Error('a crash before the commit')
        })
        refund.immediate()
      },
    },
  },
})
await receiver.start()

const details = { orderId: '8842', amount: 120 }
const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
const { status, result } = await receiver.wait(approvalId)
const rows = database.prepare('SELECT order_id FROM refunds WHERE order_id = ?').all(details.orderId)
console.log(`${status}, ${JSON.stringify(result)}, rows in refunds: ${rows.length}`)
await receiver.close()
database.close()
