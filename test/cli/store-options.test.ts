import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Redis } from 'ioredis'
import Libsql from 'libsql'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { createTable } from '../../src/stores/sql/postgres-store.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { cli, cliHere, cliJson, secrets, type Told, told } from '../support/cli.js'
import { entriesOf } from '../support/cli-entries.js'
import { closedPort, misbehave, misbehaveRaw } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { type PostgresServer, startPostgres } from '../support/postgres-server.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { startCluster, startRedis, type TestServer } from '../support/redis-server.js'
import { postgresClients, temporaryFile } from '../support/sql-clients.js'

/** Runs in this process. */
const ask = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Told> =>
  told(await cliHere([...args, '--json'], env))

const refusal = (code: string, message: unknown, fix: unknown = expect.any(String)) => ({
  ...{ failed: true, document: { error: { code, message, fix } } },
})

/** Addresses of another server, and of none. */
async function wrongOrigins(): Promise<readonly string[]> {
  const page = await misbehave((_, response) => response.end('<h1>Hi</h1>'))
  const silent = await misbehaveRaw('')
  return [`http://127.0.0.1:${await closedPort()}`, page.url, silent.url]
}

describe('the choice of the store', () => {
  const nowhere = 'redis://127.0.0.1:9'
  const database = 'postgres://127.0.0.1:9/app'

  it('is required', async () => {
    expect(await ask(['pending'])).toEqual({
      ...{ code: 2, ...refusal('option-missing', 'no store is given', expect.stringContaining('--sqlite')) },
    })
  })

  it('cannot name two stores', async () => {
    expect(await ask(['pending', '--redis', nowhere, '--sqlite', 'a.db'])).toEqual({
      ...{ code: 2, ...refusal('option-invalid', '--redis and --sqlite cannot be used together', 'give one') },
    })
    expect(await ask(['pending'], { REDIS_URL: nowhere, DATABASE_URL: database })).toEqual({
      code: 2,
      ...refusal(
        'option-invalid',
        'REDIS_URL and DATABASE_URL are both set, but only one store can be used',
        'give --redis "$REDIS_URL" or --postgres "$DATABASE_URL"',
      ),
    })
  })

  it('is the given option, or else the variable in the environment', async () => {
    const env = { REDIS_URL: nowhere, DATABASE_URL: database }
    expect(await ask(['pending', '--sqlite', 'missing.db'], env)).toMatchObject(
      refusal('store-unknown', 'there is no file missing.db'),
    )
    expect(await ask(['pending'], { DATABASE_URL: database })).toMatchObject({
      ...{ code: 3, ...refusal('store-unavailable', 'no Postgres answers at postgres://127.0.0.1:9/app') },
    })
    // Other kinds of databases use the same variable.
    expect(await ask(['pending'], { REDIS_URL: nowhere, DATABASE_URL: 'mysql://127.0.0.1/app' })).toMatchObject({
      ...{ code: 3, ...refusal('store-unavailable', 'no Redis answers at redis://127.0.0.1:9') },
    })
  })

  it.each([
    ['--prefix', 'redis', ['--sqlite', 'a.db', '--prefix', 'mine']],
    ['--partitions', 'redis', ['--postgres', database, '--partitions', '2']],
    ['--table', 'postgres', ['--redis', nowhere, '--table', 'approvals']],
  ])('has its own options: %s only applies with --%s', async (option, owner, args) => {
    expect(await ask(['pending', ...args])).toEqual({
      code: 2,
      ...refusal('option-invalid', `${option} only applies with --${owner}`, `leave ${option} out, or give --${owner}`),
    })
  })
})

describeWith('redis-server', 'a store in Redis', () => {
  let server: TestServer
  let bench: RedisBench
  beforeAll(async () => {
    server = await startRedis()
    bench = await openBench(server.url)
    await redisStore({ sendCommand: bench.send, prefix: 'mine', partitions: 4 }).check?.()
  })
  afterAll(async () => {
    await bench.close()
    await server.stop()
  })

  it('is refused under an unused prefix, or with another number of partitions', async () => {
    const before = await bench.raw('KEYS', '*')
    expect(await ask(['pending', '--redis', server.url])).toMatchObject({
      code: 2,
      document: { error: { code: 'store-unknown', fix: expect.stringContaining('--prefix') } },
    })
    expect(await ask(['pending', '--redis', server.url, '--prefix', 'mine', '--partitions', '2'])).toMatchObject({
      code: 2,
      document: { error: { message: 'the store has partitions: 4, and --partitions is 2' } },
    })
    const chosen = await cliHere(['pending', '--redis', server.url, '--prefix', 'new', '--partitions', '2'])
    expect(chosen).toEqual({ code: 0, stdout: 'No approval is open.\n', stderr: '' })
    expect(await bench.raw('KEYS', '*')).toEqual(before)
  })

  it('is found by REDIS_URL', async () => {
    expect((await cli(['parked', '--prefix', 'mine'], { REDIS_URL: server.url })).code).toBe(0)
  })

  it('is unreachable if there is none, another server, or one that never responds', async () => {
    for (const origin of await wrongOrigins()) {
      const url = origin.replace('http://', `redis://user:${secrets.store}@`)
      expect(await ask(['pending', '--redis', url])).toEqual({
        code: 3,
        ...refusal(
          'store-unavailable',
          `no Redis answers at ${origin.replace('http', 'redis')}`,
          expect.stringContaining('check that it runs'),
        ),
      })
    }
  })

  it('is refused with a wrong password, and without one', async () => {
    const locked = await startRedis({ requirepass: 'another' })
    onTestFinished(locked.stop)
    for (const url of [locked.url.replace('//', `//:${secrets.store}@`), locked.url]) {
      expect(await ask(['pending', '--redis', url])).toMatchObject({
        code: 1,
        document: { error: { code: 'store-unsuitable', fix: expect.stringMatching(/password|correct them/) } },
      })
    }
  })

  it('is found under the keyPrefix of an ioredis client, which doctor refuses like a receiver', async () => {
    const redis = new Redis(server.url, { keyPrefix: 'app:' })
    onTestFinished(() => redis.disconnect())
    const entries = entriesOf(redisStore({ sendCommand: (args) => redis.call(...args) }))
    await entries.pending('req_prefixed')
    await entries.parked('req_parked', 'edit-invalid', '/amount')
    const at = ['--redis', server.url, '--partitions', '1']
    expect(await ask(['pending', ...at])).toMatchObject({ code: 0, document: { items: [] } })
    const there = [...at, '--key-prefix', 'app:']
    expect(await ask(['pending', ...there])).toMatchObject({ document: { items: [{ approvalId: 'req_prefixed' }] } })
    expect(await ask(['parked', ...there])).toMatchObject({ document: { items: [{ approvalId: 'req_parked' }] } })
    expect(await ask(['cancel', 'req_parked', ...there])).toMatchObject({ code: 0, document: { result: 'cancelled' } })
    const fail = await ask([
      'doctor',
      '--base-url',
      'http://127.0.0.1:9',
      '--redis',
      server.url,
      '--key-prefix',
      'app:',
    ])
    const checks: readonly Record<string, string>[] = Object(fail.document).checks
    const told = checks.filter(({ group, status }) => group === 'store' && status === 'failure')
    expect(told).toMatchObject([{ message: expect.stringContaining('your client changes keys (keyPrefix)') }])
  })

  it('can be a cluster', async () => {
    const cluster = await startCluster()
    onTestFinished(cluster.stop)
    const url = `redis://127.0.0.1:${cluster.ports[0]}`
    expect(await cliJson(['pending', '--redis', url, '--partitions', '16'])).toMatchObject({
      ...{ code: 0, document: { items: [] } },
    })
  })
})

describeWith('postgres', 'a store in Postgres', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ log_min_messages: 'panic' })
  })
  afterAll(async () => {
    await server.stop()
  })

  it('is refused if its table is missing or has an invalid name', async () => {
    expect(await ask(['pending', '--postgres', server.url])).toEqual({
      code: 2,
      ...refusal(
        'store-unknown',
        'there is no table cheqpoint_entries in this database',
        'correct --table or --postgres; createTable(query) creates it',
      ),
    })
    expect(await ask(['pending', '--postgres', server.url, '--table', 'a;b'])).toMatchObject({
      ...{ code: 2, document: { error: { code: 'option-invalid' } } },
    })
  })

  it('is refused if the database is missing', async () => {
    expect(await ask(['pending', '--postgres', server.url.replace(/postgres$/, 'nowhere')])).toMatchObject({
      code: 1,
      document: { error: { code: 'store-unsuitable', message: expect.stringContaining('no database of this name') } },
    })
  })

  it('is refused if the user is unknown, without showing the password', async () => {
    const url = server.url.replace('postgres@', `nobody:${secrets.store}@`)
    expect(await ask(['pending', '--postgres', url])).toEqual({
      code: 1,
      ...refusal(
        'store-unsuitable',
        `postgres://127.0.0.1:${server.port}/postgres refuses the user name or password`,
        expect.stringContaining('correct them'),
      ),
    })
  })

  it('is unreachable if there is none, another server, or one that never responds', async () => {
    for (const origin of await wrongOrigins()) {
      const url = origin.replace('http://', `postgresql://user:${secrets.store}@`)
      expect(await ask(['pending', '--postgres', `${url}/app`])).toMatchObject({
        code: 3,
        ...refusal('store-unavailable', `no Postgres answers at ${origin.replace('http', 'postgresql')}/app`),
      })
    }
  })

  it('does not keep a command waiting for a lock', async () => {
    const client = postgresClients['pg']?.(server.url)
    if (client === undefined) throw new Error('there is no pg')
    onTestFinished(() => client.close())
    await createTable(client.query, 'locked')
    await client.transaction('BEGIN', async (query) => {
      await query('LOCK TABLE locked IN ACCESS EXCLUSIVE MODE', [])
      expect(await cliJson(['pending', '--postgres', server.url, '--table', 'locked'])).toMatchObject({
        ...{ code: 3, document: { error: { code: 'store-unavailable' } } },
      })
    })
  })

  it('is found by DATABASE_URL', async () => {
    const client = postgresClients['pg']?.(server.url)
    onTestFinished(async () => client?.close())
    if (client !== undefined) await createTable(client.query, 'found')
    expect((await cli(['parked', '--table', 'found'], { DATABASE_URL: server.url })).code).toBe(0)
  })
})

describe('a store in a SQLite file', () => {
  it('is refused if the file is missing or unused, and is not created', async () => {
    const { path, remove } = temporaryFile()
    onTestFinished(remove)
    expect(await ask(['pending', '--sqlite', path])).toEqual({
      ...{ code: 2, ...refusal('store-unknown', `there is no file ${path}`, expect.stringContaining('--sqlite')) },
    })
    expect(existsSync(path)).toBe(false)
    const handle = new Libsql(path)
    handle.exec('CREATE TABLE other (id TEXT)')
    handle.close()
    expect(await ask(['pending', '--sqlite', path])).toEqual({
      ...{ code: 2, ...refusal('store-unknown', `no receiver has used the file ${path}`) },
    })
  })

  it('is refused if the file is not a database, or is a folder', async () => {
    const { path, remove } = temporaryFile()
    onTestFinished(remove)
    writeFileSync(path, 'Some notes about approvals, and nothing that SQLite could read.\n'.repeat(99))
    expect(await ask(['pending', '--sqlite', path])).toMatchObject({
      ...{ code: 1, document: { error: { code: 'store-unsuitable' } } },
    })
    const folder = resolve(path, '..')
    expect(await ask(['pending', '--sqlite', folder])).toMatchObject(
      refusal('store-unknown', `there is no file ${folder}`),
    )
  })

  it('works while a receiver has the file open, and waits for its writes', async () => {
    const { path, remove } = temporaryFile()
    const handle = new Libsql(path)
    onTestFinished(() => {
      handle.close()
      remove()
    })
    await sqliteStore(handle).count()
    handle.exec('BEGIN IMMEDIATE')
    const waiting = ask(['cancel', 'nobody', '--sqlite', path])
    handle.exec('COMMIT')
    expect(await waiting).toMatchObject({ code: 1, document: { result: 'unknown' } })
    handle.exec('BEGIN IMMEDIATE')
    expect(await ask(['pending', '--sqlite', path])).toMatchObject({
      ...{ code: 3, document: { error: { code: 'store-busy' } } },
    })
    handle.exec('COMMIT')
  })
})

describe('the client of a store', () => {
  /** The built package with only its dependencies and these. */
  function installedWith(...peers: readonly string[]): string {
    const folder = mkdtempSync(join(tmpdir(), 'cheqpoint-cli-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    cpSync('dist/src', join(folder, 'dist/src'), { recursive: true })
    cpSync('package.json', join(folder, 'package.json'))
    mkdirSync(join(folder, 'node_modules'))
    for (const name of ['undici', 'zod', 'lru-cache', 'tinyqueue', ...peers]) {
      symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name))
    }
    return join(folder, 'dist/src/cli/main.js')
  }

  it('is named if it is missing', async () => {
    const file = installedWith()
    expect(await cliJson(['pending', '--redis', 'redis://127.0.0.1:9'], {}, file)).toEqual({
      code: 2,
      ...refusal('peer-missing', 'no Redis client is installed', 'npm install redis, or npm install ioredis'),
    })
    expect(await cliJson(['pending', '--postgres', 'postgres://127.0.0.1:9/app'], {}, file)).toEqual({
      code: 2,
      ...refusal('peer-missing', 'no Postgres client is installed', 'npm install pg, or npm install postgres'),
    })
    if (process.getBuiltinModule('node:sqlite') === undefined) {
      expect(await cliJson(['pending', '--sqlite', 'package.json'], {}, file)).toEqual({
        code: 2,
        ...refusal(
          'peer-missing',
          expect.stringContaining('has no node:sqlite'),
          'npm install libsql, or npm install better-sqlite3',
        ),
      })
    }
    expect((await cli(['--help'], {}, file)).code).toBe(0)
  })

  describeWith('redis-server', 'ioredis', () => {
    it('works like redis, including a cluster', async () => {
      const file = installedWith('ioredis')
      const [server, cluster] = await Promise.all([startRedis(), startCluster()])
      onTestFinished(async () => {
        await server.stop()
        await cluster.stop()
      })
      for (const url of [server.url, `redis://127.0.0.1:${cluster.ports[0]}`]) {
        const { document } = await cliJson(['doctor', '--base-url', 'http://127.0.0.1:9', '--redis', url], {}, file)
        const own = Object(document).checks.filter(({ group }: { readonly group: string }) => group === 'store')
        expect(own[0].message).toMatch(/through ioredis$/)
        expect(await cliJson(['pending', '--redis', url, '--partitions', '16'], {}, file)).toMatchObject({ code: 0 })
      }
      const port = await closedPort()
      expect(await cliJson(['pending', '--redis', `redis://127.0.0.1:${port}`], {}, file)).toMatchObject({ code: 3 })
      const redis = new Redis(server.url, { keyPrefix: 'app:' })
      onTestFinished(() => redis.disconnect())
      await entriesOf(redisStore({ sendCommand: (args) => redis.call(...args) })).pending('req_prefixed')
      const there = ['--redis', server.url, '--partitions', '1', '--key-prefix', 'app:']
      expect((await cliJson(['pending', ...there], {}, file)).document).toMatchObject({
        items: [{ approvalId: 'req_prefixed' }],
      })
    })
  })

  describeWith('postgres', 'postgres.js', () => {
    it('works like pg', async () => {
      const file = installedWith('postgres')
      const server = await startPostgres()
      onTestFinished(server.stop)
      const client = postgresClients['pg']?.(server.url)
      if (client !== undefined) await createTable(client.query)
      await client?.close()
      expect(await cliJson(['pending', '--postgres', server.url], {}, file)).toEqual({
        ...{ code: 0, failed: false, document: { items: [], cursor: null } },
      })
      const wrong = server.url.replace('postgres@', `nobody:${secrets.store}@`)
      expect(await cliJson(['pending', '--postgres', wrong], {}, file)).toMatchObject({ code: 1 })
      const port = await closedPort()
      expect(await cliJson(['pending', '--postgres', `postgres://127.0.0.1:${port}/a`], {}, file)).toMatchObject({
        code: 3,
      })
    })
  })
})
