import type { Mutant } from '../mutant.js'

/** The stores in SQLite and Postgres. */
export const sqlMutants: readonly Mutant[] = [
  {
    guard: 'a completion inside a transaction writes over the stamp that the run holds',
    file: 'src/stores/sql/complete-in.ts',
    find: 'if (first !== null && (yield write(first)).length > 0) return',
    replace: 'if (first !== null && (yield write(first)).length >= 0) return',
    tests: ['sql/sqlite-store.test.ts', 'sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a nudge does not make a transaction lose its lease',
    file: 'src/stores/sql/complete-in.ts',
    find: '  const again = work.step(readStored(row))\n  if (again !== null && (yield write(again)).length > 0) return\n',
    replace: '',
    tests: ['sql/sqlite-store.test.ts', 'sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a query outside of a transaction is refused',
    file: 'src/stores/sql/postgres-store.ts',
    find: "if (name === 'lock' && rows[0]?.['xact'] !== transaction) {",
    replace: 'if (false) {',
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a transaction that lost its lease cannot commit',
    file: 'src/stores/sql/postgres-store.ts',
    find: "    if (failure.code === 'lease-lost') await query(texts.fail, []).catch(() => {})\n",
    replace: '',
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a transaction that must be retried gets its own error',
    file: 'src/stores/sql/postgres-store.ts',
    find: '    if (isRetryable(error)) throw error\n    const failure',
    replace: '    const failure',
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a statement that Postgres asks to repeat is repeated',
    file: 'src/stores/sql/postgres-client.ts',
    find: '      if (!isRetryable(error)) throw postgresError(error)\n',
    replace: '      throw postgresError(error)\n',
    tests: ['sql/postgres-faults.test.ts'],
  },
  {
    guard: 'rows that are none are refused',
    file: 'src/stores/sql/postgres-client.ts',
    find: 'if (Array.isArray(rows) && rows.every(isRow)) return',
    replace: 'return',
    tests: ['sql/postgres-faults.test.ts'],
  },
  {
    guard: 'a read-only Postgres is refused',
    file: 'src/stores/sql/postgres-store.ts',
    find: "  if (readonly !== 'off') throw",
    replace: '  if (false) throw',
    tests: ['sql/postgres-faults.test.ts'],
  },
  {
    guard: 'a result that is a function is refused',
    file: 'src/stores/sql/complete-in.ts',
    find: "  if (typeof result !== 'function') return",
    replace: '  return',
    tests: ['sql/sqlite-store.test.ts', 'sql/postgres-complete-in.test.ts'],
  },
]
