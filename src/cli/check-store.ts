import { isCheqpointError, type Store } from '../index.js'
import { redisStore, type SendCommand } from '../stores/redis/redis-store.js'
import { agree } from '../stores/redis/scripts.js'
import { postgresStore } from '../stores/sql/postgres-store.js'
import { sqliteStore } from '../stores/sql/sqlite-store.js'
import { type Check, type Checkup, failed, found } from './checks.js'
import { splitRemedy } from './failure.js'
import { connectPostgres } from './postgres.js'
import { connect } from './redis.js'
import { hasTable, openSqlite } from './sqlite.js'
import { keptPartitions, type StoreChoice } from './store.js'
import { duration, plain, shownUrl } from './terminal.js'

/** If an approval is overdue for longer than this, no receiver sweeps the store. */
const neglectedMs = 600_000

/** Checks a store as a starting receiver does, and removes what it wrote. */
export async function checkStore(choice: StoreChoice): Promise<Checkup> {
  const { redis, postgres, sqlite } = choice
  const checks: Check[] = []
  let target = ''
  try {
    if (redis !== undefined) {
      target = shownUrl(redis)
      await checkRedis(redis, choice, checks)
    } else if (postgres !== undefined) {
      target = shownUrl(postgres)
      await checkPostgres(postgres, choice.table, checks)
    } else if (sqlite !== undefined) {
      target = plain(sqlite)
      await checkSqlite(sqlite, checks)
    } else {
      const fix = 'give --redis, --postgres or --sqlite, or set REDIS_URL or DATABASE_URL'
      checks.push(found('reachable', 'skipped', 'not checked', fix))
    }
  } catch (error) {
    checks.push(failed('store', error))
  }
  return { group: 'store', target, checks }
}

async function checkRedis(url: URL, choice: StoreChoice, checks: Check[]): Promise<void> {
  const { prefix } = choice
  const { send, client, close } = await connect(url, choice['key-prefix'])
  try {
    checks.push(await reachable(client, () => send(['PING'], '')))
    const info = String(await send(['INFO'], '').catch(() => ''))
    const names = ['redis_version', 'role', 'connected_slaves', 'maxmemory_policy', 'aof_enabled', 'used_memory_human']
    checks.push(server(names.flatMap((name) => new RegExp(`^${name}:.*`, 'm').exec(info)?.[0].trim() ?? [])))
    const kept = await keptPartitions(send, prefix)
    const partitions = kept ?? 1
    // A receiver's first check stores its number of partitions; this check must not choose one.
    const reading: SendCommand = (args, key) =>
      args.includes(agree.sha) || args.includes(agree.source) ? Promise.resolve(String(partitions)) : send(args, key)
    const storeOf = (allowEviction: boolean): Store =>
      redisStore({ sendCommand: reading, prefix, partitions, allowEviction })
    const store = storeOf(false)
    const findings = await fitness(store)
    checks.push(...findings)
    if (findings.some(({ status }) => status === 'failure')) {
      // Collects the other warnings too, so that one run shows everything to fix.
      const more = await fitness(storeOf(true))
      const isNew = ({ status, message }: Check): boolean =>
        status === 'warning' && !message.includes('maxmemory-policy')
      checks.push(...more.filter(isNew))
    }
    if (kept === null) checks.push(found('prefix', 'ok', 'no receiver has used it yet'))
    else checks.push(found('prefix', 'ok', `in use, with partitions: ${kept}`), await entries(store))
  } finally {
    await close()
  }
}

async function checkPostgres(url: URL, table: string, checks: Check[]): Promise<void> {
  const { query, client, close } = await connectPostgres(url)
  try {
    checks.push(await reachable(client, () => query('SELECT 1 AS one', [])))
    const settings = ['server_version', 'server_encoding', 'fsync', 'synchronous_commit']
    const columns = settings.map((name, at) => `current_setting('${name}') AS ${'abcd'.charAt(at)}`)
    const [row] = await query(`SELECT ${columns.join(', ')}`, [])
    checks.push(server(Object.values(Object(row)).map((value, at) => `${settings[at]}:${String(value)}`)))
    await checkFitness(postgresStore({ query, table }), checks)
  } finally {
    await close()
  }
}

async function checkSqlite(file: string, checks: Check[]): Promise<void> {
  const connection = await openSqlite(file)
  if (connection === null) {
    const fix = 'correct --sqlite; a receiver creates the file at its first start'
    checks.push(found('file', 'warning', 'there is no such file', fix))
    return
  }
  try {
    const { handle, client } = connection
    if (!hasTable(connection)) {
      const fix = 'correct --sqlite; a receiver creates its table at its first start'
      checks.push(found('file', 'warning', 'no receiver has used this file', fix))
      return
    }
    const [row] = handle.prepare('SELECT sqlite_version() AS version').all()
    checks.push(server([`sqlite_version:${Object(row).version}`, `client:${client}`]))
    await checkFitness(sqliteStore(handle), checks)
  } finally {
    connection.close()
  }
}

async function checkFitness(store: Store, checks: Check[]): Promise<void> {
  const findings = await fitness(store)
  checks.push(...findings)
  if (!findings.some(({ status }) => status === 'failure')) checks.push(await entries(store))
}

/** Runs the check of a starting receiver. */
async function fitness(store: Store): Promise<readonly Check[]> {
  try {
    const warnings = (await store.check?.()) ?? []
    if (warnings.length === 0) return [found('store', 'ok', 'keeps what it acknowledged')]
    return warnings.map((warning) => found('store', 'warning', ...splitRemedy(warning)))
  } catch (error) {
    if (isCheqpointError(error, 'store-unavailable')) throw error
    return [failed('store', error)]
  }
}

/** Counts open entries and checks whether they are swept. */
async function entries(store: Store): Promise<Check> {
  const { open, parked, overdueMs } = await store.count()
  const message = `${open} open, ${parked} parked`
  if (overdueMs < neglectedMs) return found('entries', 'ok', message)
  const fix = 'call receiver.start(), or reconcile by cron; see: pending'
  return found('entries', 'warning', `${message}; the oldest is overdue for ${duration(overdueMs)}`, fix)
}

/** Measures the median of a few exchanges, since the first is slower. */
async function reachable(client: string, ping: () => Promise<unknown>): Promise<Check> {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    // A refusal is an exchange too. A later check reports its cause.
    await ping().catch(() => null)
    times.push(performance.now() - started)
  }
  const ms = times.sort((a, b) => a - b)[2] ?? 0
  const message = `answers in ${ms.toFixed(1)} ms, through ${client}`
  return ms <= 100
    ? found('reachable', 'ok', message)
    : found('reachable', 'warning', message, 'run the store near its receivers')
}

/** Reports what a server says about itself. */
function server(facts: readonly string[]): Check {
  return found('server', 'ok', plain(facts.join(' ')) || 'gives no information to this user')
}
