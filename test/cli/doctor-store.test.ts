import Libsql from 'libsql'
import { describe, expect, it, onTestFinished } from 'vitest'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { createTable, postgresStore } from '../../src/stores/sql/postgres-store.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { cliHere, told } from '../support/cli.js'
import { misbehave } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { startPostgres } from '../support/postgres-server.js'
import { entry, openBench } from '../support/redis-bench.js'
import { startRedis } from '../support/redis-server.js'
import { postgresClients, temporaryFile } from '../support/sql-clients.js'

async function doctor(...args: readonly string[]) {
  const given = ['doctor', '--base-url', 'http://127.0.0.1:9', ...args, '--json']
  const { code, document } = told(await cliHere(given))
  const checks: readonly Record<string, string>[] = Object(document).checks
  const own = checks.filter(({ group }) => group === 'store')
  return { code, rows: own.map(({ check, status, message }) => `${check} ${status}: ${message}`), own }
}

const reachable = (client: string) =>
  expect.stringMatching(new RegExp(`^reachable (ok|warning): answers in [\\d.]+ ms, through ${client}$`))

describeWith('redis-server', 'doctor, on Redis', () => {
  it('passes on a server that keeps acknowledged writes, and leaves nothing in it', async () => {
    const server = await startRedis({ appendonly: 'yes', appendfsync: 'always' })
    const bench = await openBench(server.url)
    onTestFinished(async () => {
      await bench.close()
      await server.stop()
    })
    expect((await doctor('--redis', server.url)).rows).toEqual([
      reachable('redis'),
      expect.stringMatching(
        /^server ok: redis_version:\d.* role:master connected_slaves:0 maxmemory_policy:noeviction aof_enabled:1/,
      ),
      'store ok: keeps what it acknowledged',
      'prefix ok: no receiver has used it yet',
    ])
    expect(await bench.raw('DBSIZE')).toBe(0)
    await redisStore({ sendCommand: bench.send, prefix: 'mine', partitions: 16 }).check?.()
    expect((await doctor('--redis', server.url, '--prefix', 'mine')).rows.slice(-2)).toEqual([
      'prefix ok: in use, with partitions: 16',
      'entries ok: 0 open, 0 parked',
    ])
    expect(await bench.raw('DBSIZE')).toBe(1)
  })

  it('fails on a cache, and names everything to change in one run', async () => {
    const server = await startRedis({ 'maxmemory-policy': 'allkeys-lru' })
    onTestFinished(server.stop)
    const { own } = await doctor('--redis', server.url)
    expect(own.map(({ check, status, fix }) => [check, status, fix]).slice(2, 4)).toEqual([
      ['store', 'failure', expect.stringMatching(/^set noeviction/)],
      ['store', 'warning', 'set appendonly yes'],
    ])
  })

  it('fails on a replica', async () => {
    const primary = await startRedis()
    const replica = await startRedis({ replicaof: `127.0.0.1 ${primary.port}` })
    onTestFinished(async () => {
      await replica.stop()
      await primary.stop()
    })
    const { own } = await doctor('--redis', replica.url)
    expect(own).toContainEqual(expect.objectContaining({ status: 'failure', fix: 'connect to its primary' }))
  })

  it('reports Redis as unreachable if another server listens', async () => {
    const { url } = await misbehave((_, response) => response.end())
    const { code, own } = await doctor('--redis', url.replace('http', 'redis'))
    expect(code).toBe(3)
    expect(own).toMatchObject([{ check: 'reachable', status: 'failure' }])
  })
})

describeWith('postgres', 'doctor, on Postgres', () => {
  it('names each fix until the store passes, and warns about an approval that no receiver sweeps', async () => {
    const server = await startPostgres({ fsync: 'on' })
    const client = postgresClients['pg']?.(server.url)
    if (client === undefined) throw new Error('there is no pg')
    onTestFinished(async () => {
      await client.close()
      await server.stop()
    })
    const empty = await doctor('--postgres', server.url)
    expect(empty.rows.slice(0, 2)).toEqual([
      reachable('pg'),
      expect.stringMatching(/^server ok: server_version:\S+.* server_encoding:UTF8 fsync:on synchronous_commit:on$/),
    ])
    expect(empty.own.slice(2)).toMatchObject([
      { check: 'store', status: 'failure', fix: expect.stringContaining('createTable(query)') },
    ])
    await createTable(client.query)
    const store = postgresStore({ query: client.query })
    expect((await doctor('--postgres', server.url)).rows.slice(2)).toEqual([
      'store ok: keeps what it acknowledged',
      'entries ok: 0 open, 0 parked',
    ])
    const { now } = await store.read('a:old')
    await store.write('a:old', null, entry({ dueAt: now - 1_800_000 }))
    expect((await doctor('--postgres', server.url)).own.at(-1)).toMatchObject({
      status: 'warning',
      message: '1 open, 0 parked; the oldest is overdue for 30 min',
      fix: expect.stringContaining('receiver.start()'),
    })
  })

  it('warns about a server that may lose acknowledged writes', async () => {
    const server = await startPostgres({ fsync: 'off' })
    const client = postgresClients['pg']?.(server.url)
    onTestFinished(async () => {
      await client?.close()
      await server.stop()
    })
    if (client !== undefined) await createTable(client.query)
    const { own } = await doctor('--postgres', server.url)
    expect(own).toContainEqual(
      expect.objectContaining({ status: 'warning', message: expect.stringContaining('fsync is off') }),
    )
  })
})

describe('doctor, on a SQLite file', () => {
  it('passes on a file that a receiver uses, and warns about an unused one', async () => {
    const { path, remove } = temporaryFile()
    onTestFinished(remove)
    const missing = await doctor('--sqlite', path)
    expect(missing.rows).toEqual(['file warning: there is no such file'])
    const handle = new Libsql(path)
    handle.exec('CREATE TABLE other (id TEXT)')
    expect((await doctor('--sqlite', path)).rows).toEqual(['file warning: no receiver has used this file'])
    await sqliteStore(handle).count()
    expect((await doctor('--sqlite', path)).rows).toEqual([
      expect.stringMatching(/^server ok: sqlite_version:\d+\.\d+\.\d+ client:(node:sqlite|libsql)$/),
      'store ok: keeps what it acknowledged',
      'entries ok: 0 open, 0 parked',
    ])
    handle.close()
  })
})
