/*
 * The store contract, check() and completeIn through each Postgres client, on one server, and through PgBouncer in
 * transaction mode. Needs a build of the project, `npm ci` in this folder, and Postgres; `npm run prisma` for Prisma, which
 * `npm ci --omit=dev` leaves out, and pgbouncer in the PATH. Names on the command line choose clients.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const here = new URL('.', import.meta.url)
const dist = new URL('../../../dist/', here)
const has = (path, base = here) => existsSync(new URL(path, base))
const skip = (what, remedy) => console.warn(`SKIPPED ${what} (${remedy})`)
const missing = [
  [has('node_modules'), 'clients not found (npm ci in test/integration/postgres-clients)'],
  [has('src/stores/sql/postgres-store.js', dist), 'dist not found (npm run build)'],
  [existsSync('/usr/lib/postgresql'), 'postgres not found (apt-get install postgresql)'],
].find(([found]) => !found)
if (missing !== undefined) {
  console.warn(`SKIPPED postgres-clients: ${missing[1]}`)
  process.exit(process.env.CI ? 1 : 0)
}

const { createTable, postgresStore } = await import(new URL('src/stores/sql/postgres-store.js', dist))
const { storeContract } = await import(new URL('src/testing/store-contract.js', dist))
const { startPostgres } = await import(new URL('test/support/postgres-server.js', dist))
const { claim, completedBy, nudge } = await import(new URL('test/support/sql-runs.js', dist))

/** How each client is opened: resolves with query, with transaction, which commits what `body` did, and with close. */
const clients = {
  async pg(url) {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: url, max: 20 })
    const query = async (text, values) => (await pool.query(text, values)).rows
    const transaction = async (body) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await body(async (text, values) => (await client.query(text, values)).rows)
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    }
    return { query, transaction, close: () => pool.end() }
  },
  async postgres(url, isPooled) {
    const { default: postgres } = await import('postgres')
    const settings = { max: 20, onnotice: () => {} }
    const sql = postgres(url, settings)
    // It sends a statement before the last one has ended, and a pooler then loses responses; `begin` does not work so.
    const single = isPooled ? postgres(url, { ...settings, max_pipeline: 0 }) : sql
    return {
      query: (text, values) => single.unsafe(text, values),
      transaction: (body) => sql.begin((tx) => body((text, values) => tx.unsafe(text, values))),
      close: () => Promise.all([sql.end(), single.end()]),
    }
  },
  async kysely(url) {
    const [{ CompiledQuery, Kysely, PostgresDialect }, { default: pg }] = [await import('kysely'), await import('pg')]
    const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 20 }) }) })
    const by = (handle) => async (text, values) => (await handle.executeQuery(CompiledQuery.raw(text, values))).rows
    return {
      query: by(db),
      transaction: (body) => db.transaction().execute((tx) => body(by(tx))),
      close: () => db.destroy(),
    }
  },
  'drizzle-orm': async (url) => {
    const [{ drizzle }, { sql }] = [await import('drizzle-orm/node-postgres'), await import('drizzle-orm')]
    const db = drizzle({ connection: { connectionString: url, max: 20 } })
    const bind = (text, values) =>
      sql.join(
        text.split(/\$\d+/).flatMap((part, n) => (n === 0 ? [] : [sql.param(values[n - 1])]).concat(sql.raw(part))),
      )
    const by = (handle) => async (text, values) => (await handle.execute(bind(text, values))).rows
    return { query: by(db), transaction: (body) => db.transaction((tx) => body(by(tx))), close: () => db.$client.end() }
  },
  async prisma(url) {
    const [{ PrismaPg }, { default: generated }] = [
      await import('@prisma/adapter-pg'),
      await import(new URL('node_modules/.prisma-client/index.js', here)),
    ]
    const prisma = new generated.PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 20 }) })
    const by = (handle) => (text, values) => handle.$queryRawUnsafe(text, ...values)
    return {
      query: by(prisma),
      transaction: (body) => prisma.$transaction((tx) => body(by(tx))),
      close: () => prisma.$disconnect(),
    }
  },
}

/** What holds of completeIn in a transaction of each client; the effect is a row without a unique key. */
const completions = {
  async 'completion and effect are committed together'(client, { store, table }) {
    const effects = await effectsOf(client, table)
    const run = await claim(store, 'a:1', 'A')
    await nudge(store, 'a:1')
    await client.transaction(async (query) => {
      await store.completeIn(run, query, { refund: 1 })
      await effects.add(query)
    })
    expectEqual([await completedBy(store, 'a:1'), await effects.count()], ['A', 1])
  },
  async 'a transaction that is rolled back leaves neither'(client, { store, table }) {
    const effects = await effectsOf(client, table)
    const run = await claim(store, 'a:1', 'A')
    const body = async (query) => {
      await effects.add(query)
      await store.completeIn(run, query)
      throw new Error('no refund')
    }
    await client.transaction(body).then(failed, () => {})
    expectEqual([await completedBy(store, 'a:1'), await effects.count()], [null, 0])
  },
  async 'a lease that was lost rolls the effect back, even where that is ignored'(client, { store, table }) {
    const effects = await effectsOf(client, table)
    const stalled = await claim(store, 'a:1', 'A')
    const other = await claim(store, 'a:1', 'B')
    await client.transaction((query) => store.completeIn(other, query))
    const codes = []
    const body = async (query) => {
      await effects.add(query)
      await store.completeIn(stalled, query).catch((error) => codes.push(error.code))
    }
    await client.transaction(body).catch(() => {})
    expectEqual([codes, await completedBy(store, 'a:1'), await effects.count()], [['lease-lost'], 'B', 0])
  },
  async 'a query outside of a transaction is refused'(client, { store }) {
    const run = await claim(store, 'a:1', 'A')
    const code = await store.completeIn(run, client.query).then(failed, (error) => error.code)
    expectEqual([code, await completedBy(store, 'a:1')], ['query-not-a-transaction', null])
  },
}

async function effectsOf({ query }, table) {
  await query(`CREATE TABLE "${table}_effects" (key text)`, [])
  return {
    add: (inside) => inside(`INSERT INTO "${table}_effects" (key) VALUES (CAST($1 AS text)) RETURNING key`, ['a:1']),
    count: async () => (await query(`SELECT key FROM "${table}_effects"`, [])).length,
  }
}

function expectEqual(actual, expected) {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${is} is not ${should}`)
}

function failed() {
  throw new Error('it did not reject')
}

const chosen = process.argv.slice(2)
process.once('SIGTERM', () => process.exit(1))
if (!has('node_modules/.prisma-client/index.js')) {
  skip('prisma', 'npm run prisma')
  delete clients.prisma
}
const wanted = Object.entries(clients).filter(([name]) => chosen.length === 0 || chosen.includes(name))
const ends = []
let failures = 0
try {
  const server = await startPostgres()
  ends.push(() => server.stop())
  for (const [name, open] of wanted) {
    await tryClient(name, versionOf(name === 'prisma' ? '@prisma/client' : name), () => open(server.url))
  }
  const bouncer = await startBouncer(server.port)
  for (const [name, open] of bouncer === null ? [] : wanted) {
    await tryClient(`${name} through PgBouncer`, bouncer.version, () => open(bouncer.url, true))
  }
} finally {
  for (const end of ends.reverse()) await end()
}
console.log(failures === 0 ? 'every client keeps the contract' : `${failures} failures`)
process.exit(failures === 0 ? 0 : 1)

async function tryClient(name, version, open) {
  const begun = performance.now()
  const failed = []
  let passed = 0
  const attempt = async (rule, run) => {
    try {
      await run()
      passed++
    } catch (error) {
      failed.push(`${rule}: ${error.code ?? error.name}: ${error.message.split('\n')[0]}`)
    }
  }
  const client = await open()
  const { query } = client
  let tables = 0
  const create = async () => {
    const table = `${name.replace(/\W/g, '_')}_${tables++}`.slice(-40)
    await createTable(query, table)
    return {
      table,
      store: postgresStore({ query, table }),
      damage: (key) =>
        query(`UPDATE "${table}" SET state = '{', due = 1, parked = 1 WHERE key = $1 RETURNING key`, [key]),
    }
  }
  try {
    await (await create()).store.check()
    await Promise.all(storeContract({ create }).map(({ name: rule, run }) => attempt(rule, run)))
    for (const [rule, run] of Object.entries(completions)) await attempt(rule, async () => run(client, await create()))
  } catch (error) {
    failed.push(`${error.code ?? error.name}: ${error.message}`)
  }
  await client.close()
  failures += failed.length
  const ms = Math.round(performance.now() - begun)
  console.log(`${[name, version].join(' ').trim()}: ${passed} passed, ${failed.length} failed, ${ms} ms`)
  for (const each of failed.slice(0, 5)) console.log(`  ${each}`)
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, here))).version
}

/** PgBouncer in transaction mode, in front of the server; `null` where it is not installed. */
async function startBouncer(port) {
  const found = spawnSync('pgbouncer', ['--version'], { encoding: 'utf8' })
  if (found.status !== 0) {
    skip('pgbouncer', 'apt-get install pgbouncer')
    return null
  }
  const dir = mkdtempSync('/tmp/cheqpoint-pgbouncer-')
  const own = await freePort()
  const settings = `[databases]
postgres = host=127.0.0.1 port=${port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
`
  writeFileSync(join(dir, 'pgbouncer.ini'), settings)
  execFileSync('chmod', ['-R', 'a+rX', dir])
  // It refuses to run as root.
  const as = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : []
  const [program, ...args] = [...as, 'pgbouncer', '--quiet', join(dir, 'pgbouncer.ini')]
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] })
  ends.push(() => {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })
  while (!(await accepts(own))) {
    if (child.exitCode !== null) throw new Error('pgbouncer did not start')
    await sleep(20)
  }
  return { url: `postgres://postgres@127.0.0.1:${own}/postgres`, version: /[\d.]+/.exec(found.stdout)[0] }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.end() !== undefined))
    socket.on('error', () => resolve(false))
  })
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
