import type { Run } from '../../model/decision.js'
import { checkedDuration } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import { completing, completionOf } from './complete-in.js'
import { checkedLimit, dueKeys, entryMethods } from './entry-methods.js'
import { digest, readKey, storedKey } from './rows.js'
import type { SqliteHandle } from './sqlite-handle.js'
import { SqliteLink } from './sqlite-link.js'

export type { SqliteHandle } from './sqlite-handle.js'

/** A store in a SQLite file, which can complete a run inside a transaction of the same file. */
export interface SqliteStore extends Store {
  /**
   * Completes a run inside your transaction: between `BEGIN IMMEDIATE` and `COMMIT` on the handle that the store was
   * given, with nothing awaited in between. Its effects and the completion are committed together, or not at all. May
   * be repeated. Throws `lease-lost` where another worker took over, and then the transaction must be rolled back;
   * `query-not-a-transaction` where none is open, before anything is written.
   *
   * @example
   * ```ts
   * database.transaction(() => {
   *   database.prepare('INSERT INTO refunds (order_id) VALUES (?)').run(decision.details.orderId)
   *   store.completeIn(run)
   * }).immediate()
   * ```
   */
  completeIn(run: Run | Completable, result?: unknown): void
}

/**
 * A durable store in one file, without a server, for the processes of one machine and a local disk. `database` is the
 * path of a file, which node:sqlite opens (Node 22.13 and newer), or a handle of node:sqlite, better-sqlite3 or libsql.
 * It creates its two tables, and sets the file to WAL and the handle to `synchronous = FULL`. A call never waits
 * synchronously: where another process writes, or a transaction of yours is open on the handle, it tries again for 2 s,
 * and then rejects with `store-busy`. Store time is that of the machine, and does not go back where the machine's does.
 * Throws `option-missing`, `option-invalid`, and `peer-missing` for a path without node:sqlite; no I/O until first use.
 *
 * @example
 * ```ts
 * sqliteStore('approvals.db')
 * sqliteStore(new Database('approvals.db')) // better-sqlite3 or libsql
 * ```
 */
export function sqliteStore(database: SqliteHandle | string): SqliteStore {
  const link = new SqliteLink(database)
  const writes = ['insert', 'update']
  const warning = 'synchronous was set below FULL: a power failure can lose acknowledged decisions'
  return {
    ...entryMethods((name, values) => link.step(!writes.includes(name), (now) => link.rows(name, now, ...values))),
    takeDue: (limit, hideMs) =>
      link.step(false, (now) => {
        link.rows('purge', now)
        const rows = link.rows('ripe', now, checkedLimit(limit))
        for (const { key } of rows) link.rows('hide', now, checkedDuration(hideMs), String(key))
        return dueKeys(rows.map(readKey), limit, now, link.rows('next', now)[0]?.['next'])
      }),
    remove: (key, unreadable) =>
      link.step(false, (now) => {
        const [row] = link.rows('read', now, storedKey(key))
        return digest(row) === unreadable && link.rows('remove', now, storedKey(key)).length > 0
      }),
    check: async () => ((await link.isDurable()) ? [] : [warning]),
    close: async () => link.close(typeof database === 'string'),
    completeIn(run, result) {
      const work = completionOf(run, result)
      link.inside((now) => {
        // It ends the renewals at once; one in flight waits for this transaction, and finds another stamp after it.
        work.settle().catch(() => {})
        const steps = completing(work)
        for (let step = steps.next(); step.done !== true; ) {
          const [name, values] = step.value
          step = steps.next(link.rows(name === 'lock' ? 'read' : name, now, ...values))
        }
      })
    },
  }
}
