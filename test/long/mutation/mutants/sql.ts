import type { Mutant } from '../mutant.js'

/** The stores in SQLite and Postgres. */
export const sqlMutants: readonly Mutant[] = [
  {
    guard: 'a write in SQL needs the stamp that is stored',
    file: 'src/stores/sql/statements.ts',
    find: 'WHERE e.key = v.key AND e.stamp IN (v.expected, v.stamp) AND',
    replace: 'WHERE e.key = v.key AND',
    tests: ['sql/sqlite-contract.test.ts', 'sql/postgres-contract.test.ts'],
  },
  {
    guard: 'a repeated write in SQL keeps what takeDue moved',
    file: 'src/stores/sql/statements.ts',
    find: "set('v', 'e.stamp <> v.stamp', ",
    replace: "set('v', 'true', ",
    tests: ['sql/sqlite-contract.test.ts', 'sql/postgres-contract.test.ts'],
  },
  {
    guard: 'a damaged row in SQL is never written over',
    file: 'src/stores/sql/statements.ts',
    find: "const readable = `e.state LIKE '{%}'`",
    replace: "const readable = 'true'",
    tests: ['sql/postgres-contract.test.ts'],
  },
  {
    guard: 'an entry in SQL that disappeared is not there',
    file: 'src/stores/sql/statements.ts',
    find: 'const live = `(e.ends IS NULL OR ',
    replace: "const live = `(e.ends IS NULL OR e.stamp <> '' OR ",
    tests: ['sql/sqlite-store.test.ts', 'sql/sqlite-contract.test.ts'],
  },
  {
    guard: 'a due key in Postgres is handed to one taker',
    file: 'src/stores/sql/postgres-store.ts',
    find: ' FOR UPDATE SKIP LOCKED),\ntaken AS',
    replace: '),\ntaken AS',
    tests: ['sql/postgres-contract.test.ts', 'sql/postgres-faults.test.ts'],
  },
  {
    guard: 'completeIn refuses a query that is not in a transaction, before it writes',
    file: 'src/stores/sql/postgres-store.ts',
    find: "const xact = 'CAST(txid_current() AS text)'",
    replace: "const xact = 'CAST(1 AS text)'",
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'after lease-lost the transaction of the caller cannot commit',
    file: 'src/stores/sql/postgres-store.ts',
    find: "if (failure.code === 'lease-lost') await query(texts.fail, []).catch(() => {})",
    replace: '',
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'completeIn gives a serialization failure to the caller as it is',
    file: 'src/stores/sql/postgres-store.ts',
    find: 'if (isRetryable(error)) throw error\n    const failure',
    replace: 'const failure',
    tests: ['sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a nudge before completeIn costs no lease',
    file: 'src/stores/sql/entries.ts',
    find: 'const again = work.step(readStored(row))',
    replace: 'const again = row === undefined ? work.step() : null',
    tests: ['sql/sqlite-store.test.ts', 'sql/postgres-complete-in.test.ts'],
  },
  {
    guard: 'a call of SQLite never waits synchronously',
    file: 'src/stores/sql/sqlite-store.ts',
    find: "handle.exec('PRAGMA busy_timeout = 0')",
    replace: '',
    tests: ['sql/sqlite-store.test.ts'],
  },
  {
    guard: 'the time of SQLite does not run backwards',
    file: 'src/stores/sql/sqlite-store.ts',
    find: "ahead = wall >= latest ? 0 : Math.max(ahead, Number(kept?.['ahead']), latest - wall)",
    replace: 'ahead = 0',
    tests: ['sql/sqlite-store.test.ts'],
  },
  {
    guard: 'completeIn of SQLite refuses a handle without a transaction',
    file: 'src/stores/sql/sqlite-store.ts',
    find: 'if (isIdle()) throw',
    replace: 'if (!isReady) throw',
    tests: ['sql/sqlite-store.test.ts'],
  },
]
