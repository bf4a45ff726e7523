import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { group, invalid, refuseClient } from '../../options/option-checks.js'
import { repeated } from '../../util/repeated.js'
import { asciiKey, invalidArgument } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import { completing, completionOf, entryMethods, type Row, type SqlValue, text } from './entries.js'
import { isRetryable, sqlError } from './failures.js'
import { now, schemaOf, statementsOf } from './statements.js'

/** Sends a statement with its values for $1, $2, … and resolves with its rows: objects with a property per column. */
export type PostgresQuery = (text: string, values: SqlValue[]) => Promise<readonly object[]>

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
   * `query` sends statements of that transaction. Under REPEATABLE READ and above, call it first. A transaction that was
   * rolled back may be begun again, with this call in it. Waits for the row as long as another transaction holds it.
   * Rejects with `lease-lost`, and makes the transaction fail, where another worker took over or this run is completed;
   * with `query-not-a-transaction`, before it writes, where `query` is outside of one; with the client's own error for a
   * serialization failure or a deadlock.
   */
  completeIn(run: Run | Completable, query: PostgresQuery, result?: unknown): Promise<void>
}

/**
 * A store for any number of processes in a table of Postgres 12 or newer, through any client. Create the table once with
 * {@link createTable} or {@link schemaSql}; the store runs no DDL. Each call is one statement, or two; a write waits at
 * most 1 s for a row that a transaction holds, and then rejects with `store-busy`. Store time is the server's. Throws
 * `option-missing`, `option-invalid` or `option-unknown`; does no I/O until it is used.
 *
 * @example
 * ```ts
 * postgresStore({ query: async (text, values) => (await pool.query(text, values)).rows }) // pg
 * postgresStore({ query: (text, values) => sql.unsafe(text, values) }) // postgres.js
 * ```
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  const rightCall = 'postgresStore({ query: async (text, values) => (await pool.query(text, values)).rows })'
  refuseClient(options, 'query', rightCall)
  group(options, '', ['query', 'table'])
  const { query, table } = options ?? {}
  const missing = 'option query must be given: how your client sends a statement'
  if (query === undefined) throw new CheqpointError('option-missing', missing)
  if (typeof query !== 'function') throw invalid('query', query, 'a function')
  const name = quotedTable(table)
  const texts = postgresStatements(name)
  const run = (of: keyof typeof texts, values: SqlValue[], explain = '') => ask(query, explain + texts[of], values)
  return {
    ...entryMethods(run),
    async check() {
      const [server] = await run('server', [name])
      // EXPLAIN runs nothing, but finds missing columns, indexes and rights; to take nothing needs a server that writes.
      const entry = ['a:check', null, '', null, null, '{}', null]
      for (const write of ['insert', 'update'] as const) await run(write, entry, 'EXPLAIN ')
      await run('take', [0, 0])
      const problem = `table ${name} is unlogged or temporary, and lost in a crash; use createTable(query)`
      if (server?.['kind'] !== 'p') throw new CheqpointError('store-unsuitable', problem)
      const off = ['fsync', 'synchronous_commit'].filter((setting) => server[setting] === 'off')
      return off.map((setting) => `${setting} is off: acknowledged decisions may be lost when Postgres crashes`)
    },
    async completeIn(run, inside, result) {
      if (typeof inside !== 'function') throw invalidArgument('query of completeIn(run, query) must be a function')
      const work = completionOf(run, result)
      await work.settle()
      try {
        const [row] = await send(inside, texts.lock, [asciiKey(work.key)])
        const written = await send(inside, texts.complete, [...completing(work, row), text(row, 'xact')])
        const problem = 'query used several transactions; pass one that is bound to your transaction'
        if (written.length === 0) throw new CheqpointError('query-not-a-transaction', problem)
      } catch (error) {
        // A caller who retries transactions needs the client's own error.
        if (isRetryable(error)) throw error
        const failure = sqlError(error)
        // The transaction must not commit, even if the caller ignores the rejection: after a failed statement it cannot.
        if (failure.code === 'lease-lost') await inside(texts.fail, []).catch(() => {})
        throw failure
      }
    },
  }
}

/** The statements that create the table and its indexes where they do not exist, for a migration. Throws `option-invalid`. */
export function schemaSql(table?: string): string {
  // By bytes: other orders change with the C library of the server, and break indexes.
  return `${schemaOf(quotedTable(table), '"C"', 'float8').join(';\n')};\n`
}

/** Creates the table and its indexes where they do not exist, which needs CREATE on the schema. Rejects like the store. */
export async function createTable(query: PostgresQuery, table?: string): Promise<void> {
  // Processes that create the same table at once collide, and then it exists.
  for (const statement of schemaSql(table).split(';\n').slice(0, -1))
    await ask(query, statement, []).catch(() => ask(query, statement, []))
}

function postgresStatements(table: string) {
  const clock = 'SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS float8) AS now'
  // In the statement itself, since a pool gives each statement another session; it ends with the statement's transaction.
  const limit = `, set_config('lock_timeout', '1000ms', true) AS lock`
  const { begin, over, ripe, next, ...shared } = statementsOf(table, clock, limit)
  // Within the caller's transaction, and so without that limit.
  const inside = statementsOf(table, clock, '', 'CAST(txid_current() AS text)')
  return {
    ...shared,
    lock: inside.read,
    complete: inside.update,
    fail: `SELECT CAST('the lease was lost' AS integer) AS lost`,
    // SKIP LOCKED never waits, and no two takers get the same key. Deletes what disappeared.
    take: `${begin}, old AS MATERIALIZED (${over} FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM ${table} AS e USING old WHERE e.key = old.key),
ripe AS MATERIALIZED (${ripe} FOR UPDATE SKIP LOCKED),
taken AS (UPDATE ${table} AS e SET due = ${now} + $2::float8 FROM ripe WHERE e.key = ripe.key
RETURNING e.key AS key, ripe.due AS was, e.due AS due)
SELECT t.key AS key, n.now AS now, least((SELECT min(due) FROM taken),
(${next} AND e.key <> ALL (ARRAY(SELECT key FROM ripe)) ORDER BY e.due, e.key LIMIT 1)) AS next
FROM clock n LEFT JOIN taken t ON true ORDER BY t.was, t.key`,
    server: `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
(SELECT CAST(relpersistence AS text) FROM pg_class WHERE oid = to_regclass($1::text)) AS kind`,
  }
}

/** The name of a table, checked and quoted. Throws `option-invalid`. */
function quotedTable(table: unknown = 'cheqpoint_entries'): string {
  const pattern = /^([A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}$/
  if (typeof table === 'string' && pattern.test(table)) return `"${table.replace('.', '"."')}"`
  throw invalid('table', table, 'name or schema.name, each of up to 50 ASCII letters, digits and _, no digit first')
}

/** Sends a statement, again while the database asks for that. Rejects with a coded error. */
const ask = (query: PostgresQuery, text: string, values: SqlValue[]) =>
  repeated(() => send(query, text, values), isRetryable, sqlError)

/** Sends a statement once. Rejects with the client's error, or with `store-response` where no rows are returned. */
async function send(query: PostgresQuery, text: string, values: SqlValue[]): Promise<readonly Row[]> {
  const rows: unknown = await query(text, values)
  if (Array.isArray(rows)) return rows
  const fix = Object(rows).rows === undefined ? 'return an array of objects' : 'return its property rows'
  throw new CheqpointError('store-response', `query returned a value of type ${typeof rows}, not rows; ${fix}`)
}
