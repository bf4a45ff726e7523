import type { Page, Store } from '../index.js'
import { RedisKeys } from '../stores/redis/keys.js'
import { RedisLink } from '../stores/redis/link.js'
import { redisStore } from '../stores/redis/redis-store.js'
import type { Defaulted, Flag, Needed, Report, Valued } from './command.js'
import { CliError } from './failure.js'
import { text, urlOf, whole } from './readers.js'
import { type Connection, connect } from './redis.js'
import { columns, fact, plain, type Terminal } from './terminal.js'

const redisUrl = urlOf('redis://127.0.0.1:6379, or rediss:// with TLS', 'redis:', 'rediss:')

/** Which store a command is about. */
export const storeOptions: {
  readonly redis: Needed<URL>
  readonly prefix: Defaulted<string>
  readonly partitions: Valued<number>
} = {
  redis: { value: 'URL', read: redisUrl, env: 'REDIS_URL', required: true, about: 'where Redis is' },
  prefix: { value: 'TEXT', read: text, default: 'cheqpoint', about: 'the prefix of the store' },
  partitions: { value: 'N', read: whole(1, 1024), about: 'only where Redis does not know them' },
}

export const detailsOption: Flag = { about: 'show what was submitted and decided too' }

export const pageOptions: typeof storeOptions & {
  readonly limit: Defaulted<number>
  readonly cursor: Valued<string>
  readonly details: Flag
} = {
  limit: { value: 'N', read: whole(1, 1000), default: '20', about: 'so many at most' },
  cursor: { value: 'TEXT', read: text, about: 'go on where the page before ended' },
  details: detailsOption,
  ...storeOptions,
}

export interface StoreChoice {
  readonly redis: URL
  readonly prefix: string
  readonly partitions?: number | undefined
}

/** Lends a store to a command. Writes nothing by itself. */
export async function withStore(choice: StoreChoice, use: (store: Store) => Promise<Report>): Promise<Report> {
  const { redis, prefix, partitions } = choice
  const connection = await connect(redis)
  try {
    const kept = await keptPartitions(connection, prefix)
    if (kept === null && partitions === undefined) {
      const fix = 'correct --prefix or --redis; where no receiver ever started, give --partitions'
      throw new CliError(2, 'prefix-unknown', `no receiver has used the prefix ${plain(prefix)} in this Redis`, fix)
    }
    if (kept !== null && partitions !== undefined && kept !== partitions) {
      const message = `the store has partitions: ${kept}, and --partitions says ${partitions}`
      throw new CliError(2, 'option-invalid', message, 'leave --partitions out')
    }
    return await use(redisStore({ sendCommand: connection.send, prefix, partitions: partitions ?? kept ?? 1 }))
  } finally {
    await connection.close()
  }
}

/** How many partitions the receivers of a prefix use; `null` where none has started. Only reads. */
export async function keptPartitions({ send }: Pick<Connection, 'send'>, prefix: string): Promise<number | null> {
  const { meta } = new RedisKeys(prefix, 1)
  // Through the store's own link, so that what Redis refuses is told in the store's words.
  const reply = await new RedisLink(send, { atLeast: 0, timeoutMs: 1 }).send(['GET', meta], meta)
  return typeof reply === 'string' && /^[1-9]\d{0,3}$/.test(reply) ? Number(reply) : null
}

/** An entry of a list: what is always shown of it, and what only where details are asked for. */
export interface Entry {
  readonly facts: object
  readonly payloads: object
}

export function pageReport(
  { items, cursor }: Page<Entry>,
  none: string,
  details: boolean,
  { paint }: Terminal,
): Report {
  const rows = items.map(({ facts }) => Object.entries(facts).map(([name, value]) => fact(name, value)))
  // A column that says nothing of any of them is left out.
  const told = rows.map((row) => row.filter((_, at) => rows.some((each) => each[at]?.[1] !== '-')))
  const head = told[0]?.map(([name]) => name) ?? [none]
  const [title = '', ...lines] = columns([head, ...told.map((row) => row.map(([, value]) => value))])
  const shown = items.flatMap((item, at) => [
    lines[at] ?? '',
    ...(details ? columns(payloadRows(item)).map((line) => `  ${line}`) : []),
  ])
  const more = cursor === null ? [] : ['', paint('dim', `more: --cursor ${cursor}`)]
  return {
    text: [paint('dim', title), ...shown, ...more].join('\n'),
    document: { items: items.map(({ facts, payloads }) => ({ ...facts, ...(details ? payloads : {}) })), cursor },
  }
}

/** Each payload that there is, with its name. */
export function payloadRows({ payloads }: Entry): readonly (readonly string[])[] {
  const there = Object.entries(payloads).filter(([, value]) => value !== null)
  return there.map(([name, value]) => [name, plain(JSON.stringify(value))])
}

/** JSON from the store; `null` where there is none, or it is damaged. */
export function parsed(json: string | null): unknown {
  try {
    return json === null ? null : JSON.parse(json)
  } catch {
    return null
  }
}

/** What became of a change to one record; its exit code says whether it is what was meant. */
export function changeReport(key: object, result: string, meaning: string, done: boolean, { paint }: Terminal): Report {
  const text = `${plain(Object.values(key).join())}  ${paint(done ? 'green' : 'yellow', result)}: ${meaning}`
  return { text, document: { ...key, result }, exit: done ? 0 : 1 }
}
