import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { group, invalid } from '../../options/option-checks.js'
import { checkedDuration, invalidArgument } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import { completing, completionOf } from './complete-in.js'
import { checkedLimit, dueKeys, entryMethods } from './entry-methods.js'
import { ask, isRetryable, type PostgresQuery, postgresError, send } from './postgres-client.js'
import { type PostgresStatements, postgresStatements, quotedTable, schemaStatements } from './postgres-statements.js'
import { number, readKey, type SqlValue, storedKey } from './rows.js'

export type { PostgresQuery } from './postgres-client.js'

/** What {@link postgresStore} takes. */
export interface PostgresStoreOptions {
  /** How your client sends a statement and returns the rows; see {@link postgresStore} for the line that fits it. */
  readonly query: PostgresQuery
  /** Name of the table, `name` or `schema.name`: letters, digits, `_`. Case counts. Default `'cheqpoint_entries'`. */
  readonly table?: string | undefined
}

/** A store in Postgres, which can complete a run inside a transaction of the same database. */
export interface PostgresStore extends Store {
  /**
   * Completes a run inside your transaction: its effects and the completion are committed together, or not at all.
   * `query` sends statements of that transaction. Under REPEATABLE READ and above, call it first. Idempotent, as retried
   * transactions need it. Waits for the row as long as another transaction holds it. Rejects with `lease-lost` where
   * another worker took over, and makes the transaction fail; with `query-not-a-transaction`, before anything is written,
   * where `query` is outside of one; with the client's own error for a serialization failure or a deadlock.
   *
   * @example
   * ```ts
   * await sql.begin(async (tx) => {
   *   await tx`INSERT INTO refunds (order_id) VALUES (${decision.details.orderId})`
   *   await store.completeIn(run, (text, values) => tx.unsafe(text, values))
   * })
   * ```
   */
  completeIn(run: Run | Completable, query: PostgresQuery, result?: unknown): Promise<void>
}

/**
 * A store for any number of processes in a table of Postgres 12 or newer, through any client. Create the table once with
 * {@link createTable} or {@link schemaSql}; the store runs no DDL. Each call is one statement; a write waits at most 1 s
 * for a row that a transaction holds, and then rejects with `store-busy`. Store time is the server's. Throws
 * `option-missing`, `option-invalid` or `option-unknown`; does no I/O until it is used.
 *
 * @example
 * ```ts
 * postgresStore({ query: async (text, values) => (await pool.query(text, values)).rows }) // pg
 * postgresStore({ query: (text, values) => sql.unsafe(text, values) }) // postgres.js
 * ```
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  group(options, '', ['query', 'table'])
  const { query, table } = options ?? {}
  const missing = 'option query must be given: how your client sends a statement'
  if (query === undefined) throw new CheqpointError('option-missing', missing)
  if (typeof query !== 'function') throw invalid('query', query, 'a function')
  const texts = postgresStatements(quotedTable(table))
  const run = (name: keyof PostgresStatements, values: SqlValue[]) => ask(query, texts[name], values)
  return {
    ...entryMethods(run),
    async takeDue(limit, hideMs) {
      const rows = await run('take', [checkedLimit(limit), checkedDuration(hideMs)])
      const keys = rows.flatMap((row) => (row['key'] === null ? [] : [readKey(row)]))
      return dueKeys(keys, limit, number(rows[0], 'now'), rows[0]?.['next'])
    },
    remove: async (key, unreadable) => (await run('remove', [storedKey(key), unreadable])).length > 0,
    check: () => checkPostgres(query, texts, quotedTable(table)),
    completeIn: (of, inside, result) => completeIn(texts, of, inside, result),
  }
}

/** The statements that create the table and its indexes where they do not exist, for a migration. Throws `option-invalid`. */
export function schemaSql(table?: string): string {
  return `${schemaStatements(table).join(';\n')};\n`
}

/** Creates the table and its indexes where they do not exist, which needs CREATE on the schema. Rejects like the store. */
export async function createTable(query: PostgresQuery, table?: string): Promise<void> {
  for (const statement of schemaStatements(table)) {
    // Processes that create the same table at once collide, and then it exists.
    await ask(query, statement, []).catch(() => ask(query, statement, []))
  }
}

async function completeIn(
  texts: PostgresStatements,
  run: Run | Completable,
  query: PostgresQuery,
  result: unknown,
): Promise<void> {
  if (typeof query !== 'function') throw invalidArgument('completeIn(run, query, result): query must be a function')
  const work = completionOf(run, result)
  await work.settle()
  try {
    const [begun] = await send(query, texts.transaction, [])
    const transaction = String(begun?.['xact'])
    const steps = completing(work)
    for (let step = steps.next(); step.done !== true; ) {
      const [name, values] = step.value
      const all = name === 'update' ? [...values, transaction] : values
      const rows = await send(query, name === 'update' ? texts.complete : texts.lock, all)
      if (name === 'lock' && rows[0]?.['xact'] !== transaction) {
        const fix = 'pass one that is bound to the connection or object of your transaction'
        throw new CheqpointError('query-not-a-transaction', `query sent its statements in several transactions; ${fix}`)
      }
      step = steps.next(rows)
    }
  } catch (error) {
    // A caller who retries transactions needs the client's own error.
    if (isRetryable(error)) throw error
    const failure = postgresError(error)
    // The transaction must not commit, even if the caller ignores the rejection: after a failed statement it cannot.
    if (failure.code === 'lease-lost') await query(texts.fail, []).catch(() => {})
    throw failure
  }
}

async function checkPostgres(
  query: PostgresQuery,
  texts: PostgresStatements,
  table: string,
): Promise<readonly string[]> {
  const [server] = await ask(query, texts.server, [table])
  const { readonly, kind } = server ?? {}
  if (readonly !== 'off') throw new CheqpointError('store-unsuitable', 'no writes here; connect to the primary')
  const problem = `table ${table} is unlogged or temporary, and lost in a crash; create it with createTable(query)`
  if (kind !== 'p' && kind !== null) throw new CheqpointError('store-unsuitable', problem)
  await ask(query, texts.read, ['a:check'])
  // EXPLAIN runs nothing, but finds missing columns, indexes and rights.
  await ask(query, `EXPLAIN ${texts.insert}`, ['a:check', '', null, null, '{}', null])
  await ask(query, `EXPLAIN ${texts.update}`, ['a:check', '', '', null, null, '{}', null])
  await ask(query, `EXPLAIN ${texts.take}`, [1, 1])
  const risks = Object.entries({ fsync: 'fsync', durable: 'synchronous_commit' })
  const off = risks.flatMap(([column, setting]) => (server?.[column] === 'off' ? [setting] : []))
  return off.map(
    (setting) => `${setting} is off: acknowledged decisions may be lost when the server of Postgres crashes`,
  )
}
