import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTable, type PostgresQuery, postgresStore, schemaSql } from '../../src/stores/sql/postgres-store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { describeWith } from '../support/needs.js'
import { type PostgresServer, startPostgres } from '../support/postgres-server.js'
import { type PostgresClient, postgresClients } from '../support/sql-clients.js'

const entry = { stamp: 's', dueAt: 1, parkedAt: null, state: {} }
// This client is always installed.
const connect = postgresClients['pg'] as (url: string) => PostgresClient

describeWith('postgres', 'the Postgres store', () => {
  let server: PostgresServer
  let client: PostgresClient
  beforeAll(async () => {
    server = await startPostgres({ wal_level: 'replica' })
    client = connect(server.url)
    await createTable(client.query)
  })
  afterAll(async () => {
    await client.close()
    await server.stop()
  })
  const withTable = (table: string, query: PostgresQuery = client.query) => postgresStore({ query, table })
  const settings = (options: string) => connect(`${server.url}?options=${encodeURIComponent(options)}`)

  async function rejects(promise: Promise<unknown>, code: string, text: RegExp): Promise<void> {
    await expect(promise).rejects.toMatchObject({ code, message: expect.stringMatching(text) })
  }

  test('check passes on the table of createTable, and warns about settings that lose data', async () => {
    expect(await postgresStore({ query: client.query }).check?.()).toEqual([expect.stringMatching(/^fsync is off/)])
  })

  test('schemaSql runs unchanged and repeatedly, in its own schema', async () => {
    const plain = new pg.Client(server.url)
    await plain.connect()
    await plain.query('CREATE SCHEMA app')
    await plain.query(schemaSql('app.Approvals'))
    await plain.query(schemaSql('app.Approvals'))
    await plain.end()
    const store = withTable('app.Approvals')
    expect(await store.write('a:1', null, entry)).toBe(true)
    expect((await store.check?.())?.length).toBe(1)
  })

  test('createTable succeeds in many processes at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => createTable(client.query, 'at_once')))
    expect(await withTable('at_once').write('a:1', null, entry)).toBe(true)
  })

  test('a missing table is store-unsuitable and names createTable', async () => {
    await rejects(withTable('missing').check?.() ?? Promise.resolve(), 'store-unsuitable', /createTable/)
    await rejects(withTable('missing').read('a:1'), 'store-unsuitable', /createTable/)
  })

  test.each([
    ['other columns', 'CREATE TABLE t_columns (id int PRIMARY KEY)', 't_columns'],
    ['no primary key', `CREATE TABLE t_nokey (LIKE cheqpoint_entries)`, 't_nokey'],
    ['no durability', `CREATE UNLOGGED TABLE t_unlogged (LIKE cheqpoint_entries INCLUDING ALL)`, 't_unlogged'],
  ])('a table with %s is store-unsuitable', async (_, ddl, table) => {
    await client.query(ddl, [])
    await rejects(withTable(table).check?.() ?? Promise.resolve(), 'store-unsuitable', /table/)
  })

  test('a user who lacks a right is store-unsuitable, and the message names the rights', async () => {
    await client.query('CREATE ROLE reader LOGIN', [])
    await client.query('GRANT SELECT ON cheqpoint_entries TO reader', [])
    const reader = connect(server.url.replace('postgres@', 'reader@'))
    const store = postgresStore({ query: reader.query })
    await rejects(store.check?.() ?? Promise.resolve(), 'store-unsuitable', /GRANT SELECT, INSERT, UPDATE, DELETE/)
    await rejects(store.write('a:1', null, entry), 'store-unsuitable', /GRANT/)
    await reader.close()
  })

  test('a server that refuses writes is store-unsuitable, and the message names the primary', async () => {
    const replica = settings('-c default_transaction_read_only=on')
    const store = postgresStore({ query: replica.query })
    await rejects(store.check?.() ?? Promise.resolve(), 'store-unsuitable', /primary/)
    await rejects(store.write('a:1', null, entry), 'store-unsuitable', /primary/)
    await replica.close()
  })

  test('a replica is store-unsuitable, and the message names the primary', async () => {
    const replica = await server.replicate()
    const reader = connect(replica.url)
    const store = postgresStore({ query: reader.query })
    await rejects(store.check?.() ?? Promise.resolve(), 'store-unsuitable', /primary/)
    await rejects(store.write('a:1', null, entry), 'store-unsuitable', /primary/)
    await reader.close()
    await replica.stop()
  })

  test('a query that returns the result object of pg is store-response, and the message names its rows', async () => {
    const pool = new pg.Pool({ connectionString: server.url })
    // Wrong types on purpose, as callers without a compiler pass them.
    const query = (async (text: string, values: unknown[]) => pool.query(text, values)) as unknown as PostgresQuery
    await rejects(postgresStore({ query }).read('a:1'), 'store-response', /return its property rows/)
    await pool.end()
  })

  test.each([
    ['nothing', async () => undefined],
    ['rows as arrays', async () => [[1, 'x']]],
    ['numbers as text', async () => [{ now: '1767225600000', stamp: null }]],
    ['numbers as bigint', async () => [{ now: 1n, stamp: null }]],
    ['no rows', async () => []],
  ])('a query that returns %s is store-response', async (_, query) => {
    await rejects(postgresStore({ query: query as unknown as PostgresQuery }).read('a:1'), 'store-response', /return/)
  })

  test.each([
    ['53100', 'store-full'],
    ['57P03', 'store-unavailable'],
    ['57014', 'store-unavailable'],
    ['28P01', 'store-unsuitable'],
    ['26000', 'store-unsuitable'],
    ['ECONNREFUSED', 'store-unavailable'],
  ])('an error %s, wrapped by an ORM or not, is %s and quotes nothing', async (code, expected) => {
    const plain = Object.assign(new Error('secret details'), { code })
    const wraps = [plain, new Error('Failed query: secret', { cause: plain }), { code: 'P2010', meta: { code } }]
    for (const error of code === 'ECONNREFUSED' ? [plain] : wraps) {
      const store = postgresStore({ query: () => Promise.reject(error) })
      await expect(store.read('a:1')).rejects.toMatchObject({
        code: expected,
        message: expect.not.stringContaining('secret'),
      })
    }
  })

  test('an insert that waits for another transaction rejects with store-busy, and leaves the session as it was', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 })
    const query: PostgresQuery = async (text, values) => (await pool.query(text, values)).rows
    await client.transaction('BEGIN', async (inside) => {
      await inside(
        `INSERT INTO cheqpoint_entries (key, stamp, state) VALUES ('a:locked', 'other', '{}') RETURNING key`,
        [],
      )
      await rejects(postgresStore({ query }).write('a:locked', null, entry), 'store-busy', /transaction holds/)
    })
    expect((await pool.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
    await pool.end()
  })

  test('takeDue skips a locked row, and does not report it as due at once', async () => {
    await createTable(client.query, 'held')
    const store = withTable('held')
    await store.write('a:held', null, entry)
    await client.transaction('BEGIN', async (inside) => {
      await inside(`SELECT key FROM held FOR UPDATE`, [])
      expect(await store.takeDue(10, 1_000)).toEqual({ keys: [], nextDueInMs: 50 })
    })
    expect((await store.takeDue(10, 1_000)).keys).toEqual(['a:held'])
  })

  test('takeDue deletes expired rows, a hundred at a time', async () => {
    await createTable(client.query, 'over')
    const store = withTable('over')
    await Promise.all(
      Array.from({ length: 150 }, (_, n) => store.write(`a:${n}`, null, { ...entry, dueAt: null }, { keepMs: 0 })),
    )
    const rows = async () => (await client.query('SELECT key FROM over', [])).length
    await store.takeDue(1, 1)
    expect(await rows()).toBe(50)
    await store.takeDue(1, 1)
    expect(await rows()).toBe(0)
  })

  test('a lost connection is store-unavailable, and the store works again after a restart', async () => {
    const own = await startPostgres({ fsync: 'on' })
    const lost = connect(own.url)
    await createTable(lost.query)
    const store = postgresStore({ query: lost.query })
    expect(await store.write('a:1', null, entry)).toBe(true)
    const sleeping = lost.query('SELECT pg_sleep(60)', []).catch(() => {})
    await own.restart()
    await sleeping
    for (let tries = 0; ; tries++) {
      try {
        expect((await store.read('a:1')).entry).toEqual(entry)
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'store-unavailable' })
        if (tries > 20) throw error
      }
    }
    const port = own.port
    await lost.close()
    await own.stop()
    const gone = connect(`postgres://postgres@127.0.0.1:${port}/postgres`)
    await rejects(postgresStore({ query: gone.query }).read('a:1'), 'store-unavailable', /ECONNREFUSED/)
    await gone.close()
  })

  describe.each(['repeatable read', 'serializable'])('sessions that default to %s', (level) => {
    let strict: PostgresClient
    let tables = 0
    beforeAll(() => {
      strict = settings(`-c default_transaction_isolation=${level.replace(' ', '\\ ')}`)
    })
    afterAll(() => strict.close())
    const create = async () => {
      const table = `strict_${level.replace(' ', '_')}_${tables++}`
      await createTable(strict.query, table)
      return { store: postgresStore({ query: strict.query, table }) }
    }
    const parallel = storeContract({ create }).filter(({ name }) =>
      /parallel|at the same time|no update is lost/.test(name),
    )
    for (const { name, run } of parallel) test(name, run)
  })

  describe.each(['LATIN1', 'SQL_ASCII'])('a server with the encoding %s', (encoding) => {
    let other: PostgresServer
    let latin: PostgresClient
    let tables = 0
    beforeAll(async () => {
      other = await startPostgres({}, encoding)
      latin = connect(other.url)
    })
    afterAll(async () => {
      await latin.close()
      await other.stop()
    })
    const create = async () => {
      const table = `t_${tables++}`
      await createTable(latin.query, table)
      return { store: postgresStore({ query: latin.query, table }) }
    }
    const fidelity = storeContract({ create }).filter(({ name }) => /exactly|opaque|stamps/.test(name))
    for (const { name, run } of fidelity) test(name, run)
  })

  test.each([
    [{}, 'option-missing'],
    [undefined, 'option-missing'],
    [{ query: 'x' }, 'option-invalid'],
    [{ query: async () => [], tabel: 'x' }, 'option-unknown'],
    [{ query: async () => [], table: 'a b' }, 'option-invalid'],
    [{ query: async () => [], table: '"x"; DROP TABLE y' }, 'option-invalid'],
    [{ query: async () => [], table: 'a.b.c' }, 'option-invalid'],
    [{ query: async () => [], table: 'x'.repeat(51) }, 'option-invalid'],
  ])('options %o are refused as %s', (options, code) => {
    // Wrong types on purpose, as callers without a compiler pass them.
    expect(() => postgresStore(options as never)).toThrow(expect.objectContaining({ code }))
  })
})
