import { chmodSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type SqliteHandle, sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { sqliteClients, temporaryFile } from '../support/sql-clients.js'
import { claim, completedBy, fakeRun, nudge } from '../support/sql-runs.js'

const entry = { stamp: 's', dueAt: 1, parkedAt: null, state: {} }

async function rejects(promise: Promise<unknown> | undefined, code: string, text: RegExp): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code, message: expect.stringMatching(text) })
}

describe.each(Object.entries(sqliteClients))('the SQLite store on %s', (_, open) => {
  let file: ReturnType<typeof temporaryFile>
  const opened: SqliteHandle[] = []
  const handle = (path = file.path) => {
    const database = open(path)
    opened.push(database)
    return database
  }
  beforeEach(() => {
    file = temporaryFile()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    for (const database of opened.splice(0)) {
      try {
        database.close()
      } catch {
        // The test closed it.
      }
    }
    file.remove()
  })
  const pragma = (database: SqliteHandle, name: string) =>
    Object.values(Object(database.prepare(`PRAGMA ${name}`).all()[0]))[0]

  describe('the file', () => {
    test('is in WAL mode and written with synchronous = FULL', async () => {
      const database = handle()
      expect(await sqliteStore(database).check?.()).toEqual([])
      expect(pragma(database, 'journal_mode')).toBe('wal')
      expect(pragma(database, 'synchronous')).toBe(2)
    })

    test('check warns if synchronous was lowered afterwards', async () => {
      const database = handle()
      const store = sqliteStore(database)
      await store.read('a:1')
      database.exec('PRAGMA synchronous = NORMAL')
      expect(await store.check?.()).toEqual([expect.stringContaining('synchronous')])
    })

    test('keeps its entries when the process opens it again', async () => {
      const first = handle()
      expect(await sqliteStore(first).write('a:1', null, entry)).toBe(true)
      first.close()
      expect((await sqliteStore(handle()).read('a:1')).entry).toEqual(entry)
    })

    test('in memory is refused, and the message names memoryStore', async () => {
      await rejects(sqliteStore(handle(':memory:')).check?.(), 'store-unsuitable', /memoryStore/)
    })

    test('that is not a database is store-unsuitable', async () => {
      writeFileSync(file.path, 'x'.repeat(10_000))
      await rejects((async () => sqliteStore(handle()).check?.())(), 'store-unsuitable', /no database/)
    })

    test('with a foreign table of that name is store-unsuitable', async () => {
      const database = handle()
      database.exec('CREATE TABLE cheqpoint_entries (id INTEGER PRIMARY KEY)')
      const store = sqliteStore(database)
      // Again too: the failed call left no transaction open.
      for (let call = 0; call < 2; call++) await rejects(store.read('a:1'), 'store-unsuitable', /cheqpoint_entries/)
      database.exec('BEGIN; ROLLBACK')
    })

    test('without room is store-full, and its entries can still be read', async () => {
      const database = handle()
      const store = sqliteStore(database)
      await store.write('a:1', null, entry)
      database.exec(`PRAGMA max_page_count = ${Number(pragma(database, 'page_count')) + 2}`)
      const big = { ...entry, state: { text: 'x'.repeat(100_000) } }
      await rejects(store.write('a:2', null, big), 'store-full', /disk is full/)
      expect((await store.read('a:1')).entry).toEqual(entry)
      expect((await store.read('a:2')).entry).toBeNull()
    })

    test('whose handle refuses writes is store-unsuitable', async () => {
      const database = handle()
      const store = sqliteStore(database)
      await store.write('a:1', null, entry)
      database.exec('PRAGMA query_only = 1')
      await rejects(store.write('a:2', null, entry), 'store-unsuitable', /read-only/)
    })

    test.skipIf(process.getuid?.() === 0)('that is read-only is store-unsuitable', async () => {
      handle().close()
      chmodSync(file.path, 0o400)
      await rejects(sqliteStore(handle()).check?.(), 'store-unsuitable', /read-only/)
    })

    test('that the caller closed is store-unavailable', async () => {
      const database = handle()
      const store = sqliteStore(database)
      await store.write('a:1', null, entry)
      database.close()
      await rejects(store.read('a:1'), 'store-unavailable', /closed/)
    })
  })

  describe('waiting', () => {
    test("calls wait while the caller's transaction is open, and never see or join it", async () => {
      const database = handle()
      const store = sqliteStore(database)
      await store.write('a:1', null, entry)
      database.exec('BEGIN IMMEDIATE')
      database.exec(`UPDATE cheqpoint_entries SET stamp = 'uncommitted'`)
      const calls = [store.read('a:1'), store.write('a:2', null, entry), store.takeDue(1, 1)] as const
      await sleep(20)
      database.exec('ROLLBACK')
      const [read, written] = await Promise.all(calls)
      expect([read.entry?.stamp, written]).toEqual(['s', true])
    })

    test('a transaction that stays open makes the first and later calls reject with store-busy', async () => {
      const database = handle()
      const store = sqliteStore(database)
      database.exec('BEGIN')
      await rejects(store.read('a:1'), 'store-busy', /keep them short/)
      database.exec('ROLLBACK')
      await store.read('a:1')
      database.exec('BEGIN')
      await rejects(store.read('a:1'), 'store-busy', /keep them short/)
      database.exec('COMMIT')
    })

    test('another process that holds the lock never blocks the event loop', async () => {
      const store = sqliteStore(handle())
      await store.write('a:1', null, entry)
      const other = handle()
      other.exec('BEGIN IMMEDIATE')
      let ticks = 0
      const ticking = setInterval(() => ticks++, 1)
      const written = store.write('a:2', null, entry)
      while (ticks < 30) await sleep(1)
      // Readers do not wait for a writer.
      expect((await store.read('a:1')).entry).toEqual(entry)
      other.exec('COMMIT')
      expect(await written).toBe(true)
      clearInterval(ticking)
    })

    test('parallel calls that wait for the disk let timers fire in between', async () => {
      const database = handle()
      const { exec } = database
      vi.spyOn(database, 'exec').mockImplementation((sql) => {
        // A slow disk.
        for (const end = performance.now() + 10; sql === 'COMMIT' && performance.now() < end; );
        return exec.call(database, sql)
      })
      const store = sqliteStore(database)
      await store.read('a:1')
      let ticks = 0
      const ticking = setInterval(() => ticks++, 1)
      const seen = Array.from({ length: 8 }, async (_, n) => {
        await store.write(`a:${n}`, null, entry)
        return ticks
      })
      // Most writes found that a timer had fired since the one before.
      expect(new Set(await Promise.all(seen)).size).toBeGreaterThan(4)
      clearInterval(ticking)
    })

    test('a refused write and an empty takeDue write nothing', async () => {
      const store = sqliteStore(handle())
      await store.write('a:1', null, { ...entry, dueAt: null })
      const other = handle()
      const before = pragma(other, 'data_version')
      expect(await store.write('a:1', 'another', { ...entry, stamp: 'lost' })).toBe(false)
      expect(await store.write('a:1', null, { ...entry, stamp: 'lost' })).toBe(false)
      expect((await store.takeDue(10, 1_000)).keys).toEqual([])
      expect(pragma(other, 'data_version')).toBe(before)
      await store.write('a:2', null, entry)
      expect(pragma(other, 'data_version')).not.toBe(before)
    })

    test('each call restores the busy_timeout of the caller, even if it fails', async () => {
      const database = handle()
      const store = sqliteStore(database)
      database.exec('PRAGMA busy_timeout = 1234')
      await store.write('a:1', null, entry)
      expect(Number(pragma(database, 'busy_timeout'))).toBe(1234)
      await expect(store.list('due', { limit: 1, cursor: 'x' })).rejects.toThrow()
      database.exec('BEGIN')
      const waiting = store.read('a:1')
      expect(Number(pragma(database, 'busy_timeout'))).toBe(1234)
      database.exec('COMMIT')
      await waiting
      expect(Number(pragma(database, 'busy_timeout'))).toBe(1234)
    })
  })

  describe('store time', () => {
    // Only Date.now is faked: the store's timers run.
    const at = (wall: number) => vi.spyOn(Date, 'now').mockReturnValue(wall)
    const start = 1_767_225_600_000

    test('does not run backwards when the clock is set back, in the process or across a restart', async () => {
      const first = sqliteStore(handle())
      at(start)
      await first.write('a:1', null, entry)
      at(start - 3_600_000)
      expect((await first.read('a:1')).now).toBe(start)
      const second = sqliteStore(handle())
      expect((await second.read('a:1')).now).toBe(start)
    })

    test('advances from there at once, without waiting for the clock to catch up', async () => {
      const first = sqliteStore(handle())
      at(start)
      await first.write('a:1', null, { ...entry, dueAt: start + 1_000 })
      at(start - 3_600_000)
      await first.read('a:1')
      at(start - 3_600_000 + 1_000)
      expect((await first.read('a:1')).now).toBe(start + 1_000)
      expect((await first.takeDue(1, 1)).keys).toEqual(['a:1'])
      at(start - 3_600_000 + 2_000)
      expect((await sqliteStore(handle()).read('a:1')).now).toBe(start + 2_000)
    })

    test("returns to the machine's time without a jump when the clock is corrected", async () => {
      const store = sqliteStore(handle())
      at(start)
      await store.write('a:1', null, entry)
      at(start - 3_600_000)
      await store.write('a:2', null, entry)
      at(start + 5)
      expect((await store.read('a:1')).now).toBe(start + 5)
    })

    test('expires entries exactly after keepMs, and takeDue deletes them', async () => {
      const database = handle()
      const store = sqliteStore(database)
      at(start)
      await store.write('a:1', null, entry, { keepMs: 10 })
      at(start + 10)
      expect((await store.read('a:1')).entry).toEqual(entry)
      at(start + 11)
      expect((await store.read('a:1')).entry).toBeNull()
      expect(await store.takeDue(1, 1)).toEqual({ keys: [], nextDueInMs: null })
      expect(database.prepare('SELECT key FROM cheqpoint_entries').all()).toEqual([])
    })
  })

  describe('completeIn', () => {
    const setUp = async () => {
      const database = handle()
      database.exec('CREATE TABLE effects (key TEXT)')
      const store = sqliteStore(database)
      const effects = () => database.prepare('SELECT key FROM effects').all().length
      const transaction = (body: () => void) => {
        database.exec('BEGIN IMMEDIATE')
        try {
          database.exec(`INSERT INTO effects VALUES ('a:1')`)
          body()
          database.exec('COMMIT')
        } catch (error) {
          database.exec('ROLLBACK')
          throw error
        }
      }
      return { database, store, effects, transaction, run: await claim(store, 'a:1', 'A') }
    }

    test('commits effect and completion together', async () => {
      const { store, effects, transaction, run } = await setUp()
      transaction(() => store.completeIn(run, { refund: 1 }))
      expect([await completedBy(store, 'a:1'), effects(), run.settled()]).toEqual(['A', 1, true])
      expect((await store.read('a:1')).entry?.state['result']).toEqual({ refund: 1 })
    })

    test('a transaction that rolls back leaves neither, and the run can complete again', async () => {
      const { store, effects, transaction, run } = await setUp()
      const rolledBack = () =>
        transaction(() => {
          store.completeIn(run)
          throw new Error('no refund')
        })
      expect(rolledBack).toThrow('no refund')
      expect([await completedBy(store, 'a:1'), effects()]).toEqual([null, 0])
      transaction(() => store.completeIn(run))
      expect([await completedBy(store, 'a:1'), effects()]).toEqual(['A', 1])
    })

    test('a nudge before the completion costs no lease', async () => {
      const { store, effects, transaction, run } = await setUp()
      await nudge(store, 'a:1')
      transaction(() => store.completeIn(run))
      expect([await completedBy(store, 'a:1'), effects()]).toEqual(['A', 1])
    })

    test('after another worker took over it throws lease-lost, and the effect is rolled back', async () => {
      const { store, effects, transaction, run } = await setUp()
      const other = await claim(sqliteStore(handle()), 'a:1', 'B')
      expect(() => transaction(() => store.completeIn(run))).toThrow(expect.objectContaining({ code: 'lease-lost' }))
      expect([await completedBy(store, 'a:1'), effects()]).toEqual([null, 0])
      transaction(() => store.completeIn(other))
      expect([await completedBy(store, 'a:1'), effects()]).toEqual(['B', 1])
    })

    test('outside of a transaction it is refused before anything is written', async () => {
      const { store, run } = await setUp()
      expect(() => store.completeIn(run)).toThrow(expect.objectContaining({ code: 'query-not-a-transaction' }))
      expect(await completedBy(store, 'a:1')).toBeNull()
      expect(await nudge(store, 'a:1')).toBe(true)
    })

    test('a transaction that is repeated after its commit commits no second effect', async () => {
      const { store, effects, transaction, run } = await setUp()
      transaction(() => store.completeIn(run))
      expect(() => transaction(() => store.completeIn(run))).toThrow(expect.objectContaining({ code: 'lease-lost' }))
      expect([(await store.read('a:1')).entry?.stamp, effects()]).toEqual([run.stamp, 1])
    })

    test('writes that waited for the transaction find another stamp afterwards', async () => {
      const { database, store, run } = await setUp()
      const { stamp = '' } = (await store.read('a:1')).entry ?? {}
      database.exec('BEGIN IMMEDIATE')
      store.completeIn(run)
      const renewal = store.write('a:1', stamp, { ...entry, stamp: 'renewal' })
      await sleep(5)
      database.exec('COMMIT')
      expect(await renewal).toBe(false)
      expect(await completedBy(store, 'a:1')).toBe('A')
    })

    test('a function as result, any argument but a run, and an unused store are refused', async () => {
      const { database, store, transaction, run } = await setUp()
      const refused = (call: () => void) =>
        expect(() => transaction(call)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
      refused(() => store.completeIn(run, () => {}))
      // Wrong types on purpose, as callers without a compiler pass them.
      refused(() => store.completeIn({} as never))
      refused(() => sqliteStore(database).completeIn(run))
      expect(run.settled()).toBe(false)
      expect(() => fakeRun('a:1', 'A')).not.toThrow()
    })
  })
})

describe('a path', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('is refused with peer-missing if Node.js has no node:sqlite, and the message names the clients', () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined)
    const failure = { code: 'peer-missing', message: expect.stringMatching(/libsql.*better-sqlite3/) }
    expect(() => sqliteStore('approvals.db')).toThrow(expect.objectContaining(failure))
  })

  test.skipIf(process.getBuiltinModule('node:sqlite') === undefined)(
    'is opened on first use, and closed by close',
    async () => {
      const { path, remove } = temporaryFile()
      const store = sqliteStore(path)
      expect(await store.write('a:1', null, entry)).toBe(true)
      await store.close?.()
      await store.close?.()
      await rejects(store.read('a:1'), 'store-unavailable', /closed/)
      await rejects(sqliteStore(`${path}/none/x.db`).read('a:1'), 'store-unsuitable', /cannot be opened/)
      remove()
    },
  )
})

test.each([
  [undefined, 'option-missing'],
  ['', 'option-invalid'],
  [{}, 'option-invalid'],
  [null, 'option-invalid'],
  [{ prepare: () => {} }, 'option-invalid'],
  [{ query: () => {} }, 'option-invalid'],
])('a database %o is refused as %s', (database, code) => {
  // Wrong types on purpose, as callers without a compiler pass them.
  expect(() => sqliteStore(database as never)).toThrow(expect.objectContaining({ code }))
})
