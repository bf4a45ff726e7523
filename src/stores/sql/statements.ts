/** What differs between the databases in the statements that they share. */
export interface Dialect {
  /** Name of the table, quoted. */
  readonly table: string
  /** The nth parameter, from 1. */
  readonly parameter: (n: number) => string
  /** A select of the store's time in whole milliseconds, as `now`. */
  readonly clock: string
}

/** The columns of the table. Times are in ms of store time; `ends` is when an entry disappears. */
export const tableColumns: string = `key text PRIMARY KEY, stamp text NOT NULL, due double precision,
parked double precision, ends double precision, state text NOT NULL`
/** The columns that have an index, and what it consists of. */
export const indexes: readonly (readonly [string, string])[] = [
  ['due', 'due, key'],
  ['parked', 'parked, key'],
  ['ends', 'ends'],
]
/** The store's time within a statement. */
export const now = '(SELECT now FROM clock)'
/** Whether a row has not disappeared. */
export const live: string = `(e.ends IS NULL OR e.ends > ${now})`
const columns = 'e.stamp AS stamp, e.due AS due, e.parked AS parked, e.state AS state'
// A damaged row is never written over: the state of an entry begins and ends with a brace.
const readable = `e.state LIKE '{%}'`

/**
 * The statements that SQLite and Postgres share. Parameters are cast and come in order, each once; column names are one
 * word, since clients rename others; numbers are double precision, which every client gives as a number; RETURNING
 * tells what happened, since not every client tells how many rows were changed.
 */
export class Statements {
  readonly #table: string
  readonly #parameter: Dialect['parameter']
  /** What each statement starts with. */
  readonly with: string

  constructor({ table, parameter, clock }: Dialect) {
    this.#table = table
    this.#parameter = parameter
    this.with = `WITH clock AS (${clock})`
  }

  /** Parameters: key. One row in any case. `lock` is a locking clause, `extra` are further columns. */
  read(lock = '', extra = ''): string {
    return `${this.with}, e AS (SELECT * FROM ${this.#table} WHERE key = ${this.as('text', 1)}${lock})
SELECT n.now AS now, ${columns}${extra} FROM clock n LEFT JOIN e ON ${live}`
  }

  /** Parameters: key, stamp, due, parked, state, keep. A row if it was written, or had been. `first` is a column to evaluate before. */
  insert(first = ''): string {
    // An entry that disappeared is replaced. A repeated write finds its own stamp and keeps what takeDue moved.
    const over = `e.ends <= ${now}`
    const kept = ['due', 'parked', 'state', 'ends'].map(
      (name) => `${name} = CASE WHEN ${over} THEN excluded.${name} ELSE e.${name} END`,
    )
    return `${this.with}, v AS (SELECT ${this.as('text', 1)} AS key, ${this.#entry(2)}${first})
INSERT INTO ${this.#table} AS e (key, stamp, due, parked, state, ends)
SELECT key, fresh, due, parked, state, ${now} + keep FROM v WHERE true
ON CONFLICT (key) DO UPDATE SET stamp = excluded.stamp, ${kept.join(', ')}
WHERE ${over} OR e.stamp = excluded.stamp AND ${readable} RETURNING stamp AS stamp`
  }

  /** Parameters: key, expected stamp, and those of `insert` after the key. `only` is a further condition. */
  update(first = '', only = ''): string {
    const kept = (name: string, value: string) =>
      `${name} = CASE WHEN e.stamp = v.fresh THEN e.${name} ELSE ${value} END`
    return `${this.with}, v AS (SELECT ${this.as('text', 1)} AS key, ${this.as('text', 2)} AS expected, ${this.#entry(3)}${first})
UPDATE ${this.#table} AS e SET stamp = v.fresh, parked = v.parked, state = v.state,
${kept('due', 'v.due')}, ${kept('ends', `${now} + v.keep`)} FROM v
WHERE e.key = v.key AND e.stamp IN (v.expected, v.fresh) AND ${readable} AND ${live}${only} RETURNING stamp AS stamp`
  }

  /** Parameters: time and key that the page starts after, number of rows. */
  list(index: 'due' | 'parked'): string {
    const after = `(${this.as('double precision', 1)}, ${this.as('text', 2)})`
    return `${this.with} SELECT e.key AS key, ${columns} FROM ${this.#table} e
WHERE e.${index} IS NOT NULL AND (e.${index}, e.key) > ${after} AND ${live}
ORDER BY e.${index}, e.key LIMIT ${this.as('integer', 3)}`
  }

  /** No parameters. `oldest` is when the first entry of the due index is due. */
  count(): string {
    const from = (index: string) => `FROM ${this.#table} e WHERE e.${index} IS NOT NULL AND ${live}`
    const count = (index: string) => `(SELECT CAST(count(*) AS double precision) ${from(index)})`
    return `${this.with} SELECT ${now} AS now, ${count('due')} AS open, ${count('parked')} AS parked,
(SELECT min(e.due) ${from('due')}) AS oldest`
  }

  /** The nth parameter, cast. */
  as(type: 'text' | 'double precision' | 'integer', n: number): string {
    return `CAST(${this.#parameter(n)} AS ${type})`
  }

  #entry(n: number): string {
    return `${this.as('text', n)} AS fresh, ${this.as('double precision', n + 1)} AS due,
${this.as('double precision', n + 2)} AS parked, ${this.as('text', n + 3)} AS state, ${this.as('double precision', n + 4)} AS keep`
  }
}
