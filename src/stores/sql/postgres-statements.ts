import { invalid } from '../../options/option-checks.js'
import type { StatementName } from './entry-methods.js'
import { indexes, live, now, Statements, tableColumns } from './statements.js'

const clock = 'SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS double precision) AS now'
const xact = 'CAST(txid_current() AS text)'
// In the statement itself, since a pool gives each statement another session; it ends with the statement's transaction.
const lockTimeout = `, set_config('lock_timeout', '1000ms', true) AS lock`

/** The statements of the store, by name. */
export type PostgresStatements = Readonly<
  Record<StatementName | 'take' | 'remove' | 'transaction' | 'complete' | 'lock' | 'fail' | 'server', string>
>

/** The statements of the store for a table, whose name is quoted. */
export function postgresStatements(table: string): PostgresStatements {
  const shared = new Statements({ table, parameter: (n) => `$${n}`, clock })
  return {
    read: shared.read(),
    insert: shared.insert(lockTimeout),
    update: shared.update(lockTimeout),
    due: shared.list('due'),
    parked: shared.list('parked'),
    count: shared.count(),
    // Parameters: limit, hideMs. SKIP LOCKED never waits, and no two takers get the same key. Deletes what disappeared.
    take: `${shared.with},
old AS MATERIALIZED (SELECT key FROM ${table} WHERE ends <= ${now} ORDER BY ends LIMIT 100 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM ${table} AS e USING old WHERE e.key = old.key),
ripe AS MATERIALIZED (SELECT e.key AS key, e.due AS due FROM ${table} e WHERE e.due <= ${now} AND ${live}
ORDER BY e.due, e.key LIMIT ${shared.as('integer', 1)} FOR UPDATE SKIP LOCKED),
taken AS (UPDATE ${table} AS e SET due = ${now} + ${shared.as('double precision', 2)} FROM ripe WHERE e.key = ripe.key
RETURNING e.key AS key, ripe.due AS was, e.due AS due)
SELECT t.key AS key, n.now AS now, least((SELECT min(due) FROM taken),
(SELECT e.due FROM ${table} e WHERE e.due IS NOT NULL AND ${live}
AND e.key <> ALL (ARRAY(SELECT key FROM ripe)) ORDER BY e.due, e.key LIMIT 1)) AS next
FROM clock n LEFT JOIN taken t ON true ORDER BY t.was, t.key`,
    // Parameters: key, digest.
    remove: `WITH v AS MATERIALIZED (SELECT CAST($1 AS text) AS key, CAST($2 AS text) AS digest${lockTimeout})
DELETE FROM ${table} AS e USING v WHERE e.key = v.key
AND encode(sha256(convert_to(e.stamp || ':' || e.state, 'UTF8')), 'hex') = v.digest RETURNING e.stamp AS stamp`,
    transaction: `SELECT ${xact} AS xact`,
    // As update, within the transaction of the last parameter alone, and without a limit for locks: it is the caller's.
    complete: shared.update('', ` AND ${xact} = CAST($8 AS text)`),
    lock: shared.read(' FOR UPDATE', `, ${xact} AS xact`),
    fail: `SELECT CAST('the lease was lost' AS integer) AS lost`,
    // Parameters: the table.
    server: `SELECT current_setting('transaction_read_only') AS readonly, current_setting('fsync') AS fsync,
current_setting('synchronous_commit') AS durable,
(SELECT CAST(relpersistence AS text) FROM pg_class WHERE oid = to_regclass(CAST($1 AS text))) AS kind`,
  }
}

/** The name of a table, checked and quoted. Throws `option-invalid`. */
export function quotedTable(table: unknown = 'cheqpoint_entries'): string {
  const part = '[A-Za-z_][A-Za-z0-9_]{0,49}'
  if (typeof table === 'string' && new RegExp(`^(${part}\\.)?${part}$`).test(table)) {
    return `"${table.replace('.', '"."')}"`
  }
  throw invalid('table', table, 'name or schema.name, each of up to 50 ASCII letters, digits and _, no digit first')
}

/** What creates the table and its indexes, one statement each. */
export function schemaStatements(table?: string): readonly string[] {
  const quoted = quotedTable(table)
  const name = quoted.replace(/^.*\."|"/g, '')
  return [
    // By bytes: other orders change with the C library of the server, and break indexes.
    `CREATE TABLE IF NOT EXISTS ${quoted} (${tableColumns.replace('key text', 'key text COLLATE "C"')})`,
    ...indexes.map(
      ([of, on]) => `CREATE INDEX IF NOT EXISTS "${name}_${of}" ON ${quoted} (${on}) WHERE ${of} IS NOT NULL`,
    ),
  ]
}
