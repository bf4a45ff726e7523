/** The statements of a store, by name. */
export type StatementName = 'read' | 'insert' | 'update' | 'remove' | 'take' | 'due' | 'parked' | 'count'
type Shared = Exclude<StatementName, 'take'> | 'begin' | 'over' | 'ripe' | 'next'

/** The store's time within a statement. */
export const now = '(SELECT now FROM clock)'

/**
 * The statements that SQLite and Postgres share, on a table with a quoted name, in the words of Postgres; `clock` selects
 * the store's time. Parameters have types and come in order, each once; column names are one word, since clients rename
 * others; numbers are double precision, which every client gives as a number; RETURNING tells what happened, as not every
 * client counts rows. `before`: a column to evaluate before a write. `xact`: the transaction, for statements within one.
 *
 * read: key; a row in any case. insert, update: key, expected stamp, stamp, due, parked, state, keep; a row if it was
 * written, or had been: a repeated write finds its own stamp, and keeps what takeDue moved. remove: key, stamp, state.
 * due, parked: time and key that the page starts after, limit. The last four are parts of take (limit, hideMs), whose
 * first row has `now` and `next`, when the next key is due: what it begins with, keys to purge, due keys (limit), `next`.
 */
export function statementsOf(table: string, clock: string, before = '', xact = ''): Readonly<Record<Shared, string>> {
  const begin = `WITH clock AS (${clock})`
  const over = `e.ends < ${now}`
  const live = `(e.ends IS NULL OR e.ends >= ${now})`
  const columns = 'e.stamp AS stamp, e.due AS due, e.parked AS parked, e.state AS state'
  // A damaged row is never written over: the state of an entry begins and ends with a brace.
  const readable = `e.state LIKE '{%}'`
  const [lock, extra, only] =
    xact === '' ? ['', '', ''] : [' FOR UPDATE', `, ${xact} AS xact`, ` AND ${xact} = $8::text`]
  const given = `v AS (SELECT $1::text AS key, $2::text AS expected, $3::text AS stamp, $4::float8 AS due,
$5::float8 AS parked, $6::text AS state, $7::float8 AS keep${before})`
  const set = (from: string, replaced: string, ends: string) =>
    `SET stamp = ${from}.stamp, parked = ${from}.parked, state = ${from}.state,
due = CASE WHEN ${replaced} THEN ${from}.due ELSE e.due END, ends = CASE WHEN ${replaced} THEN ${ends} ELSE e.ends END`
  const indexed = (index: string) => `FROM ${table} e WHERE e.${index} IS NOT NULL AND ${live}`
  const list = (index: string) => `${begin} SELECT e.key AS key, ${columns} ${indexed(index)}
AND (e.${index}, e.key) > ($1::float8, $2::text) ORDER BY e.${index}, e.key LIMIT $3::integer`
  const count = (index: string) => `(SELECT CAST(count(*) AS float8) ${indexed(index)})`
  return {
    read: `${begin}, e AS (SELECT * FROM ${table} WHERE key = $1::text${lock})
SELECT n.now AS now, ${columns}${extra} FROM clock n LEFT JOIN e ON ${live}`,
    insert: `${begin}, ${given} INSERT INTO ${table} AS e (key, stamp, due, parked, state, ends)
SELECT key, stamp, due, parked, state, ${now} + keep FROM v WHERE true
ON CONFLICT (key) DO UPDATE ${set('excluded', over, 'excluded.ends')}
WHERE ${over} OR e.stamp = excluded.stamp AND ${readable} RETURNING ends`,
    update: `${begin}, ${given} UPDATE ${table} AS e ${set('v', 'e.stamp <> v.stamp', `${now} + v.keep`)} FROM v
WHERE e.key = v.key AND e.stamp IN (v.expected, v.stamp) AND ${readable} AND ${live}${only} RETURNING ends`,
    remove: `${begin}, v AS (SELECT $1::text AS key, $2::text AS stamp, $3::text AS state${before})
DELETE FROM ${table} AS e WHERE (e.key, e.stamp, e.state) = (SELECT v.key, v.stamp, v.state FROM v) RETURNING ends`,
    due: list('due'),
    parked: list('parked'),
    count: `${begin} SELECT ${count('due')} AS open, ${count('parked')} AS parked,
coalesce(${now} - (SELECT min(e.due) ${indexed('due')} AND e.due <= ${now}), 0.0) AS overdue`,
    begin,
    over: `SELECT key FROM ${table} e WHERE ${over} ORDER BY e.ends LIMIT 100`,
    ripe: `SELECT e.key AS key, e.due AS due ${indexed('due')} AND e.due <= ${now} ORDER BY e.due, e.key LIMIT $1::integer`,
    next: `SELECT e.due AS next ${indexed('due')}`,
  }
}

/** What creates the table and its indexes. Times are in ms of store time; `ends` is the last at which an entry is there. */
export function schemaOf(table: string, collation: string, time: string, options = ''): readonly string[] {
  const name = table.replace(/^.*\."|"/g, '')
  const index = (of: string, columns = of) =>
    `CREATE INDEX IF NOT EXISTS "${name}_${of}" ON ${table} (${columns}) WHERE ${of} IS NOT NULL`
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (key text COLLATE ${collation} PRIMARY KEY, stamp text NOT NULL, due ${time},
parked ${time}, ends ${time}, state text NOT NULL)${options}`,
    ...[index('due', 'due, key'), index('parked', 'parked, key'), index('ends')],
  ]
}
