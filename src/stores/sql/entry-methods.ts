import { invalidArgument } from '../entry-values.js'
import type { DueKeys, Store } from '../store.js'
import { entryValues, number, type Row, readEntry, readKey, readStored, type SqlValue, storedKey } from './rows.js'

/** The statements that both databases answer alike, by name. */
export type StatementName = 'read' | 'insert' | 'update' | 'due' | 'parked' | 'count'

/** Runs one statement as an atomic step. Rejects with a coded error. */
export type Ask = (statement: StatementName, values: SqlValue[]) => Promise<readonly Row[]>

/** The methods of a store that need one statement, alike in both databases. */
export function entryMethods(ask: Ask): Pick<Store, 'read' | 'write' | 'list' | 'count'> {
  return {
    read: async (key) => readStored((await ask('read', [storedKey(key)]))[0]),
    async write(key, expected, entry, { keepMs } = {}) {
      const values = entryValues(entry, keepMs)
      const rows = await (expected === null
        ? ask('insert', [storedKey(key), ...values])
        : ask('update', [storedKey(key), expected, ...values]))
      return rows.length > 0
    },
    async list(index, { limit, cursor }) {
      const [, of, time, after = ''] = /^(due|parked) (-?\d{1,16}) ([ -~]{1,2000})$/.exec(cursor ?? '') ?? []
      if (cursor !== undefined && of !== index) throw invalidArgument(`no page of the ${index} index gave this cursor`)
      const rows = await ask(index, [Number(time ?? -Number.MAX_VALUE), after, checkedLimit(limit) + 1])
      const items = rows.slice(0, limit).map((row) => ({ key: readKey(row), entry: readEntry(row) }))
      const last = rows[limit - 1]
      return { items, cursor: rows.length > limit ? `${index} ${number(last, index)} ${last?.['key']}` : null }
    },
    async count() {
      const [row] = await ask('count', [])
      const overdueMs = row?.['oldest'] === null ? 0 : Math.max(0, number(row, 'now') - number(row, 'oldest'))
      return { open: number(row, 'open'), parked: number(row, 'parked'), overdueMs }
    },
  }
}

/** How many rows a caller wants. Throws `argument-invalid`. */
export function checkedLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 0 && limit <= 1e6) return limit
  throw invalidArgument(`limit must be a whole number from 0 to 1,000,000; it was ${limit}`)
}

/** What `takeDue` answers. `next`: when the first key is due that is left, or `null`. */
export function dueKeys(keys: readonly string[], limit: number, now: number, next: unknown): DueKeys {
  if (typeof next !== 'number') return { keys, nextDueInMs: null }
  // What is due and was not taken is locked by a transaction: asking again at once would not get it.
  return { keys, nextDueInMs: Math.max(next - now, keys.length < limit && next <= now ? 50 : 0) }
}
