import { createReceiver, type Receiver, type Store } from '../index.js'
import { RedisKeys } from '../stores/redis/keys.js'
import { RedisLink, type SendCommand } from '../stores/redis/link.js'
import { redisStore } from '../stores/redis/redis-store.js'
import { type PostgresQuery, postgresStore } from '../stores/sql/postgres-store.js'
import { sqliteStore } from '../stores/sql/sqlite-store.js'
import type { Defaulted, Report, Valued } from './command.js'
import { CliError } from './failure.js'
import { connectPostgres } from './postgres.js'
import { text, urlOf, whole } from './readers.js'
import { connect } from './redis.js'
import { fileMissing, hasTable, openSqlite } from './sqlite.js'
import { plain } from './terminal.js'

const redisUrl = urlOf('redis://127.0.0.1:6379, or rediss:// with TLS', 'redis:', 'rediss:')
const envPattern = /^postgres(ql)?:/
const group = 'store'

/** Options that select the store of a command. */
export const storeOptions: {
  readonly redis: Valued<URL>
  readonly postgres: Valued<URL>
  readonly sqlite: Valued<string>
  readonly prefix: Defaulted<string>
  readonly 'key-prefix': Valued<string>
  readonly partitions: Valued<number>
  readonly table: Defaulted<string>
} = {
  redis: { value: 'URL', read: redisUrl, env: 'REDIS_URL', group, about: 'the Redis of redisStore' },
  postgres: {
    value: 'URL',
    read: postgresUrl,
    ...{ env: 'DATABASE_URL', envPattern, group, about: 'the database of postgresStore' },
  },
  sqlite: { value: 'FILE', read: text, group, about: 'the file of sqliteStore' },
  prefix: { value: 'TEXT', read: text, default: 'cheqpoint', only: 'redis', about: 'the prefix in Redis' },
  'key-prefix': { value: 'TEXT', read: text, otherwise: 'none', only: 'redis', about: 'the keyPrefix of ioredis' },
  partitions: {
    value: 'N',
    read: whole(1, 1024),
    otherwise: 'the number stored in Redis',
    only: 'redis',
    about: 'number of partitions in Redis',
  },
  table: { value: 'NAME', read: text, default: 'cheqpoint_entries', only: 'postgres', about: 'the table in Postgres' },
}

/** The host may be missing: the host of a socket is in the query. */
function postgresUrl(given: string): URL {
  if (envPattern.test(given) && URL.canParse(given)) return new URL(given)
  throw new RangeError('a URL such as postgres://user:password@127.0.0.1:5432/database')
}

export interface StoreChoice {
  readonly redis?: URL | undefined
  readonly postgres?: URL | undefined
  readonly sqlite?: string | undefined
  readonly prefix: string
  readonly 'key-prefix'?: string | undefined
  readonly partitions?: number | undefined
  readonly table: string
}

/** An open store: its entries, and a receiver to change them. */
export interface OpenStore {
  readonly store: Store
  readonly receiver: Receiver
}

interface Connected {
  readonly store: Store
  readonly close: () => unknown
}

/** Opens a store for a command and closes it afterwards. Changes nothing itself. */
export async function withStore(choice: StoreChoice, use: (open: OpenStore) => Promise<Report>): Promise<Report> {
  const { store, close } = await open(choice)
  try {
    const receiver = createReceiver({
      ...{ apiKey: 'unused', store, sweep: 'off', onDecision() {}, onEvent() {} },
      // Accepts every id that a receiver can be configured for.
      idPattern: /(?!\.+$)[^/\\%?#]{1,512}/,
    })
    return await use({ store, receiver })
  } finally {
    await close()
  }
}

async function open(choice: StoreChoice): Promise<Connected> {
  const { redis, postgres, sqlite } = choice
  if (redis !== undefined) return openRedis(redis, choice)
  if (postgres !== undefined) return openPostgres(postgres, choice.table)
  if (sqlite !== undefined) return openFile(sqlite)
  const fix = 'give --redis, --postgres or --sqlite, or set REDIS_URL or DATABASE_URL'
  throw new CliError(2, 'option-missing', 'no store is given', fix)
}

async function openRedis(url: URL, { prefix, partitions, ...choice }: StoreChoice): Promise<Connected> {
  const connection = await connect(url, choice['key-prefix'])
  return closedOnFailure(connection.close, async () => {
    const kept = await keptPartitions(connection.send, prefix)
    if (kept === null && partitions === undefined) {
      const fix = 'correct --redis, --prefix or --key-prefix; before a receiver has started, give --partitions'
      throw new CliError(2, 'store-unknown', `no receiver has used the prefix ${plain(prefix)} in this Redis`, fix)
    }
    if (kept !== null && partitions !== undefined && kept !== partitions) {
      const message = `the store has partitions: ${kept}, and --partitions is ${partitions}`
      throw new CliError(2, 'option-invalid', message, 'leave --partitions out')
    }
    return redisStore({ sendCommand: connection.send, prefix, partitions: partitions ?? kept ?? 1 })
  })
}

async function openPostgres(url: URL, table: string): Promise<Connected> {
  const connection = await connectPostgres(url)
  return closedOnFailure(connection.close, async () => {
    const store = postgresStore({ query: connection.query, table })
    if (await isTable(connection.query, table)) return store
    const fix = 'correct --table or --postgres; createTable(query) creates it'
    throw new CliError(2, 'store-unknown', `there is no table ${plain(table)} in this database`, fix)
  })
}

async function openFile(file: string): Promise<Connected> {
  const connection = await openSqlite(file)
  if (connection === null) throw fileMissing(file)
  return closedOnFailure(connection.close, async () => {
    if (hasTable(connection)) return sqliteStore(connection.handle)
    const fix = 'correct --sqlite; a receiver creates its table at its first start'
    throw new CliError(2, 'store-unknown', `no receiver has used the file ${plain(file)}`, fix)
  })
}

async function closedOnFailure(close: () => unknown, make: () => Promise<Store>): Promise<Connected> {
  try {
    return { store: await make(), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Reads the number of partitions of a prefix; `null` if no receiver has started. */
export async function keptPartitions(send: SendCommand, prefix: string): Promise<number | null> {
  const { number } = RedisKeys.under(prefix, 1)
  // Uses the store's link, so that errors of Redis are reported as the store does.
  const reply = await new RedisLink(send, { atLeast: 0, timeoutMs: 1 }).send(['GET', number], number)
  return typeof reply === 'string' && /^[1-9]\d{0,3}$/.test(reply) ? Number(reply) : null
}

/** Whether a table exists. {@link postgresStore} has checked its name. */
async function isTable(query: PostgresQuery, table: string): Promise<boolean> {
  const [row] = await query('SELECT to_regclass($1::text)::text AS found', [`"${table.replace('.', '"."')}"`])
  return Object(row).found !== null
}
