import type { Run } from '../../model/decision.js'
import { CheqpointError, type ErrorCode } from '../../model/errors.js'
import { group, invalid } from '../../options/option-checks.js'
import { invalidArgument } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import { completing, completionOf, entryMethods, type Row, repeated, type SqlValue } from './entries.js'
import { now, schemaOf, sharedStatements, value } from './statements.js'

/** Sends a statement with its values for $1, $2, … and resolves with its rows: objects with a property for each column. */
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
   * `query` sends statements of that transaction. Under REPEATABLE READ and above, call it first. Idempotent, as retried
   * transactions need it. Waits for the row as long as another transaction holds it. Rejects with `lease-lost` where
   * another worker took over, and makes the transaction fail; with `query-not-a-transaction`, before anything is written,
   * where `query` is outside of one; with the client's own error for a serialization failure or a deadlock.
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
  const name = quotedTable(table)
  const texts = postgresStatements(name)
  const run = (of: keyof Texts, values: SqlValue[], explain = '') => ask(query, explain + texts[of], values)
  return {
    ...entryMethods(run),
    async check() {
      const [server] = await run('server', [name])
      const { readonly, kind } = server ?? {}
      if (readonly !== 'off') throw new CheqpointError('store-unsuitable', 'no writes here; connect to the primary')
      const problem = `table ${name} is unlogged or temporary, and lost in a crash; use createTable(query)`
      if (kind !== 'p' && kind !== null) throw new CheqpointError('store-unsuitable', problem)
      await run('read', ['a:check'])
      // EXPLAIN runs nothing, but finds missing columns, indexes and rights.
      const entry = ['a:check', null, '', null, null, '{}', null]
      for (const write of ['insert', 'update'] as const) await run(write, entry, 'EXPLAIN ')
      await run('take', [1, 1], 'EXPLAIN ')
      const off = ['fsync', 'synchronous_commit'].filter((setting) => server?.[setting] === 'off')
      return off.map((setting) => `${setting} is off: acknowledged decisions may be lost when Postgres crashes`)
    },
    completeIn: (of, inside, result) => completeIn(texts, of, inside, result),
  }
}

/** The statements that create the table and its indexes where they do not exist, for a migration. Throws `option-invalid`. */
export function schemaSql(table?: string): string {
  // By bytes: other orders change with the C library of the server, and break indexes.
  return `${schemaOf(quotedTable(table), '"C"', 'float8').join(';\n')};\n`
}

/** Creates the table and its indexes where they do not exist, which needs CREATE on the schema. Rejects like the store. */
export async function createTable(query: PostgresQuery, table?: string): Promise<void> {
  for (const statement of schemaOf(quotedTable(table), '"C"', 'float8')) {
    // Processes that create the same table at once collide, and then it exists.
    await ask(query, statement, []).catch(() => ask(query, statement, []))
  }
}

async function completeIn(texts: Texts, run: Run | Completable, query: PostgresQuery, result: unknown): Promise<void> {
  if (typeof query !== 'function') throw invalidArgument('completeIn(run, query, result): query must be a function')
  const work = completionOf(run, result)
  await work.settle()
  try {
    const [begun] = await send(query, texts.transaction, [])
    const xact = String(begun?.['xact'])
    const steps = completing(work)
    for (let step = steps.next(); step.done !== true; ) {
      const [name, values] = step.value
      const isLock = name === 'lock'
      const rows = await send(query, isLock ? texts.lock : texts.complete, isLock ? values : [...values, xact])
      const fix = 'pass one that is bound to the connection or object of your transaction'
      if (name === 'lock' && rows[0]?.['xact'] !== xact)
        throw new CheqpointError('query-not-a-transaction', `query sent its statements in several transactions; ${fix}`)
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

type Texts = ReturnType<typeof postgresStatements>

/** The statements of the store, by name. */
function postgresStatements(table: string) {
  const clock = 'SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS float8) AS now'
  // In the statement itself, since a pool gives each statement another session; it ends with the statement's transaction.
  const before = `, set_config('lock_timeout', '1000ms', true) AS lock`
  const { begin, over, ripe, next, ...shared } = sharedStatements(table, clock, { before })
  const xact = 'CAST(txid_current() AS text)'
  // Within the transaction of the caller, and without a limit for locks, since it is the caller's.
  const only = ` AND ${xact} = ${value(8)}`
  const inside = sharedStatements(table, clock, { only, lock: ' FOR UPDATE', extra: `, ${xact} AS xact` })
  return {
    ...shared,
    // Parameters: limit, hideMs. SKIP LOCKED never waits, and no two takers get the same key. Deletes what disappeared.
    take: `${begin}, old AS MATERIALIZED (${over} FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM ${table} AS e USING old WHERE e.key = old.key),
ripe AS MATERIALIZED (${ripe} FOR UPDATE SKIP LOCKED),
taken AS (UPDATE ${table} AS e SET due = ${now} + ${value(2, 'float8')} FROM ripe WHERE e.key = ripe.key
RETURNING e.key AS key, ripe.due AS was, e.due AS due)
SELECT t.key AS key, n.now AS now, least((SELECT min(due) FROM taken),
(${next} AND e.key <> ALL (ARRAY(SELECT key FROM ripe)) ORDER BY e.due, e.key LIMIT 1)) AS next
FROM clock n LEFT JOIN taken t ON true ORDER BY t.was, t.key`,
    // Parameters: key, digest.
    remove: `WITH v AS MATERIALIZED (SELECT ${value(1)} AS key, ${value(2)} AS digest${before})
DELETE FROM ${table} AS e USING v WHERE e.key = v.key
AND encode(sha256(convert_to(e.stamp || ':' || e.state, 'UTF8')), 'hex') = v.digest RETURNING e.stamp AS stamp`,
    transaction: `SELECT ${xact} AS xact`,
    complete: inside.update,
    lock: inside.read,
    fail: `SELECT CAST('the lease was lost' AS integer) AS lost`,
    // Parameters: the table.
    server: `SELECT current_setting('transaction_read_only') AS readonly, current_setting('fsync') AS fsync,
current_setting('synchronous_commit') AS synchronous_commit,
(SELECT CAST(relpersistence AS text) FROM pg_class WHERE oid = to_regclass(${value(1)})) AS kind`,
  }
}

/** The name of a table, checked and quoted. Throws `option-invalid`. */
function quotedTable(table: unknown = 'cheqpoint_entries'): string {
  const part = '[A-Za-z_][A-Za-z0-9_]{0,49}'
  if (typeof table === 'string' && new RegExp(`^(${part}\\.)?${part}$`).test(table)) {
    return `"${table.replace('.', '"."')}"`
  }
  throw invalid('table', table, 'name or schema.name, each of up to 50 ASCII letters, digits and _, no digit first')
}

/** Sends a statement, and again where the server asks for that. Turns every failure into a coded error. */
function ask(query: PostgresQuery, text: string, values: SqlValue[]): Promise<readonly Row[]> {
  return repeated(() => send(query, text, values), isRetryable, postgresError)
}

/** Sends a statement once. Rejects with the client's error, or with `store-answer` where no rows are returned. */
async function send(query: PostgresQuery, text: string, values: SqlValue[]): Promise<readonly Row[]> {
  const rows: unknown = await query(text, values)
  const isRow = (row: unknown) => typeof row === 'object' && row !== null && !Array.isArray(row)
  // Each row is an object here, and any object may be asked for a property by name.
  if (Array.isArray(rows) && rows.every(isRow)) return rows as readonly Row[]
  const fix = Object(rows).rows === undefined ? 'return an array of objects' : 'return its property rows'
  throw new CheqpointError('store-answer', `query returned a value of type ${kindOf(rows)}, not rows; ${fix}`)
}

/** Whether the server asks to repeat the transaction: a serialization failure or a deadlock. */
function isRetryable(error: unknown): boolean {
  return sqlState(error)?.startsWith('40') === true
}

const unfit = 'pass text and values on unchanged; Postgres must be 12 or newer'
const meanings: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/^(42P01|3F000)$/, 'store-unsuitable', 'no such table; create it with createTable(query) or schemaSql()'],
  [/^(42703|42804|42P10|42809|23)/, 'store-unsuitable', 'the table is not of this library; set the option table'],
  [/^42501$/, 'store-unsuitable', 'GRANT SELECT, INSERT, UPDATE, DELETE on the table, and USAGE on its schema'],
  [/^25006$/, 'store-unsuitable', 'this server or session takes no writes; connect to the primary'],
  [/^(26000|42P05|08P01)$/, 'store-unsuitable', `${unfit}; behind a pooler, switch prepared statements off`],
  [/^(42|0A)/, 'store-unsuitable', unfit],
  [/^(28|3D000)/, 'store-unsuitable', 'correct user, password or database in your client'],
  [/^(40|55P03)/, 'store-busy', 'a transaction holds the row; repeat the call when that ended'],
  [/^53100$/, 'store-full', 'the disk is full; free space'],
  [/./, 'store-unavailable', 'not possible for now'],
]

/** What went wrong, by the SQLSTATE. The client's error is not passed on, since clients attach statements and values. */
function postgresError(error: unknown): CheqpointError {
  if (error instanceof CheqpointError) return error
  const state = sqlState(error)
  const [, code, fix] = meanings.find(([pattern]) => pattern.test(state ?? '')) ?? []
  if (code !== undefined) return new CheqpointError(code, `Postgres answered ${state}: ${fix}`)
  if (!(error instanceof TypeError)) return new CheqpointError('store-unavailable', `query threw ${kindOf(error)}`)
  return new CheqpointError(
    'store-unsuitable',
    'query threw a TypeError; see postgresStore for the line of your client',
  )
}

/** The SQLSTATE in an error of any client: its own, or that of the error it wraps. */
function sqlState(error: unknown, depth = 0): string | undefined {
  if (depth > 4) return undefined
  const { code, cause, meta }: { code?: unknown; cause?: unknown; meta?: unknown } = Object(error)
  // P1001 and P2010 are codes of Prisma, which has that of Postgres in `meta`.
  if (typeof code === 'string' && /^(?!P[123])(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code
  return sqlState(meta, depth + 1) ?? sqlState(cause, depth + 1)
}

/** A code, class or type, words of programs: never text that could quote a statement. */
function kindOf(value: unknown): string {
  const { code, constructor: made }: { code?: unknown; constructor?: { name?: string } } = Object(value)
  return typeof code === 'string' && /^[A-Z][A-Z_]{1,40}$/.test(code) ? code : (made?.name ?? 'object')
}
