import { CheqpointError, type ErrorCode } from '../../model/errors.js'

const unfit = 'pass text and values on unchanged; Postgres must be 12 or newer'
const ours = 'cheqpoint_entries, or the table of the option table, is not of this library; or SQLite is older than 3.38'
const held = 'a transaction holds it; keep them short'
/** By the SQLSTATE of Postgres, or by what SQLite says, since each of its clients has codes of its own. */
const meanings: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/^(42P01|3F000)$/, 'store-unsuitable', 'no such table; create it with createTable(query) or schemaSql()'],
  [/^(42703|42804|42P10|42809|23...)$|^no such|has no column|syntax error/, 'store-unsuitable', ours],
  [/^42501$/, 'store-unsuitable', 'GRANT SELECT, INSERT, UPDATE, DELETE on the table, and USAGE on its schema'],
  [/^(26000|42P05|08P01)$/, 'store-unsuitable', `${unfit}; behind a pooler, switch prepared statements off`],
  [/^(42|0A)...$/, 'store-unsuitable', unfit],
  [/^25006$|readonly database/, 'store-unsuitable', 'read-only; connect to the primary, or make the file writable'],
  [/^(28...|3D000)$/, 'store-unsuitable', 'correct user, password or database in your client'],
  [/^(40...|55P03)$|in(side)? a transaction|busy executing a query|is locked/, 'store-busy', held],
  [/^53100$|disk is full/, 'store-full', 'the disk is full, or max_page_count is reached; free space'],
  [/unable to open|denied/, 'store-unsuitable', 'the file cannot be opened; its folder must exist and be writable'],
  [/malformed|not a database/, 'store-unsuitable', 'the file is damaged or no database; restore it from a backup'],
  [/not open|I\/O error/, 'store-unavailable', 'the database is closed, or its disk fails'],
  [/\nTypeError$/, 'store-unsuitable', 'query threw it; see postgresStore for the line of your client'],
]

/** What went wrong. The client's error is not passed on, since clients attach statements and values; nor its text. */
export function sqlError(error: unknown): CheqpointError {
  if (error instanceof CheqpointError) return error
  const { message = '', code, constructor: made }: Partial<NodeJS.ErrnoException> = Object(error)
  const state = sqlState(error)
  const words = state ?? `${message}\n${made?.name}`
  const [pattern, meaning, fix] = meanings.find(([each]) => each.test(words)) ?? []
  if (meaning !== undefined)
    return new CheqpointError(meaning, `the database said "${pattern?.exec(words)?.[0].trim()}": ${fix}`)
  // Only words of programs: the name of a code or of a class.
  const word = state ?? (code !== undefined && /^[A-Z][A-Z_]{1,40}$/.test(code) ? code : made?.name)
  return new CheqpointError('store-unavailable', `the database failed with ${word}`)
}

/** Whether nothing happened, and the same may succeed now: a serialization failure, a deadlock, a busy file or handle. */
export function isRetryable(error: unknown): boolean {
  const state = sqlState(error)
  return state === undefined ? sqlError(error).code === 'store-busy' : state.startsWith('40')
}

/** The SQLSTATE in an error of any client of Postgres: its own, or that of the error it wraps. */
function sqlState(error: unknown, depth = 0): string | undefined {
  const { code, cause, meta }: { code?: unknown; cause?: unknown; meta?: unknown } = Object(error)
  // P1001 and P2010 are codes of Prisma, which has that of Postgres in `meta`.
  if (typeof code === 'string' && /^(?!P[123])(?=.*\d)[0-9A-Z]{5}$/.test(code)) return code
  return depth > 4 ? undefined : (sqlState(meta, depth + 1) ?? sqlState(cause, depth + 1))
}
