import { setTimeout as sleep } from 'node:timers/promises'
import { CheqpointError, type ErrorCode } from '../../model/errors.js'
import type { Row, SqlValue } from './rows.js'

/** Sends a statement with its values for $1, $2, … and resolves with its rows: objects with a property for each column. */
export type PostgresQuery = (text: string, values: SqlValue[]) => Promise<readonly object[]>

/** Sends a statement, and again where the server asks for that. Turns every failure into a coded error. */
export async function ask(query: PostgresQuery, text: string, values: SqlValue[]): Promise<readonly Row[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(query, text, values)
    } catch (error) {
      if (!isRetryable(error)) throw postgresError(error)
      if (attempt === 10) throw new CheqpointError('store-busy', 'Postgres asked 10 times to repeat a statement')
      await sleep(Math.random() * 10 * attempt)
    }
  }
}

/** Sends a statement once. Rejects with the client's error, or with `store-answer` where no rows are returned. */
export async function send(query: PostgresQuery, text: string, values: SqlValue[]): Promise<readonly Row[]> {
  const rows: unknown = await query(text, values)
  const isRow = (row: unknown) => typeof row === 'object' && row !== null && !Array.isArray(row)
  // Each row is an object here, and any object may be asked for a property by name.
  if (Array.isArray(rows) && rows.every(isRow)) return rows as readonly Row[]
  const isResult = typeof rows === 'object' && rows !== null && 'rows' in rows
  const fix = isResult ? 'return its property rows' : 'return an array of objects'
  throw new CheqpointError('store-answer', `query returned a value of type ${kindOf(rows)}, not rows; ${fix}`)
}

/** Whether the server asks to repeat the transaction: a serialization failure or a deadlock. */
export function isRetryable(error: unknown): boolean {
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
  [/^55P03$/, 'store-busy', 'a transaction holds the row; repeat the call when that ended'],
  [/^53100$/, 'store-full', 'the disk is full; free space'],
]

/** What went wrong, by the SQLSTATE. The client's error is not passed on, since clients attach statements and values. */
export function postgresError(error: unknown): CheqpointError {
  if (error instanceof CheqpointError) return error
  const state = sqlState(error)
  const [, code, fix] = meanings.find(([pattern]) => state !== null && pattern.test(state)) ?? []
  if (code !== undefined) return new CheqpointError(code, `Postgres answered ${state}: ${fix}`)
  if (state !== null) return new CheqpointError('store-unavailable', `Postgres answered ${state}: not possible for now`)
  const [unavailable, what] = ['store-unavailable', `Postgres did not answer (${kindOf(error)})`] as const
  if (!(error instanceof TypeError)) return new CheqpointError(unavailable, what)
  return new CheqpointError(
    'store-unsuitable',
    'query threw a TypeError; see postgresStore for the line of your client',
  )
}

/** The SQLSTATE in an error of any client: its own, or that of the error it wraps. */
function sqlState(error: unknown, depth = 0): string | null {
  if (typeof error !== 'object' || error === null || depth > 4) return null
  const { code, cause, meta }: { code?: unknown; cause?: unknown; meta?: unknown } = error
  // P1001 and P2010 are codes of Prisma, which has that of Postgres in `meta`.
  if (typeof code === 'string' && /^(?!P[123])(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code
  return sqlState(meta, depth + 1) ?? sqlState(cause, depth + 1)
}

/** A code, class or type, words of programs: never text that could quote a statement. */
function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value
  const code: unknown = 'code' in value ? value.code : undefined
  return typeof code === 'string' && /^[A-Z][A-Z_]{1,40}$/.test(code) ? code : (value.constructor?.name ?? 'object')
}
