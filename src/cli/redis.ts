import type { SendCommand } from '../stores/redis/redis-store.js'
import { CliError } from './failure.js'
import { inTime, timeoutMs } from './in-time.js'
import { shownUrl } from './terminal.js'

export interface Connection {
  readonly client: 'redis' | 'ioredis'
  readonly send: SendCommand
  readonly close: () => Promise<void>
}

/** Connects with the first installed client; to the whole cluster if the server is part of one. */
export async function connect(url: URL, keyPrefix = ''): Promise<Connection> {
  const open = await loadClient()
  let connection = await reach(url, open(url, false))
  const info = await connection.send(['INFO', 'cluster'], '').catch(() => '')
  if (String(info).includes('cluster_enabled:1')) {
    await connection.close()
    connection = await reach(url, open(url, true))
  }
  return { ...connection, send: withKeyPrefix(connection.send, keyPrefix) }
}

/** Changes keys as the option `keyPrefix` of ioredis does, with any client. */
function withKeyPrefix(send: SendCommand, keyPrefix: string): SendCommand {
  if (keyPrefix === '') return send
  return ([name, ...operands], key) => {
    // Operands of a script: its text, the number of keys, the keys. No other command here has a key.
    const keys = name.startsWith('EVAL') ? Number(operands[1]) : 0
    const changed = operands.map((each, at) => (at >= 2 && at < 2 + keys ? keyPrefix + each : each))
    return send([name, ...changed], keyPrefix + key)
  }
}

/** A connection that is not open yet. */
interface Opening extends Connection {
  readonly connect: () => Promise<unknown>
}

type Open = (url: URL, cluster: boolean) => Opening

async function loadClient(): Promise<Open> {
  const redis = await import('redis').catch(() => null)
  if (redis !== null) return nodeRedis(redis)
  const ioredis = await import('ioredis').catch(() => null)
  if (ioredis !== null) return ioRedis(ioredis)
  throw new CliError(2, 'peer-missing', 'no Redis client is installed', 'npm install redis, or npm install ioredis')
}

/** Without a listener, a connection error ends the process. The running command rejects with it too. */
const ignore = (): void => {}

type NodeRedis = Pick<typeof import('redis'), 'createClient' | 'createCluster'>

function nodeRedis({ createClient, createCluster }: NodeRedis): Open {
  return (url, cluster) => {
    const socket = { connectTimeout: timeoutMs, reconnectStrategy: false } as const
    if (!cluster) {
      const client = createClient({ url: url.href, socket }).on('error', ignore)
      const send: SendCommand = (args) => inTime(client.sendCommand(args))
      return { client: 'redis', send, connect: () => client.connect(), close: quietly(() => client.disconnect()) }
    }
    const tls = url.protocol === 'rediss:' ? ({ ...socket, tls: true } as const) : socket
    const nodes = createCluster({ rootNodes: [{ url: url.href }], defaults: { ...credentials(url), socket: tls } })
    nodes.on('error', ignore)
    const send: SendCommand = (args, key) => inTime(nodes.sendCommand(key, false, args))
    return { client: 'redis', send, connect: () => nodes.connect(), close: quietly(() => nodes.disconnect()) }
  }
}

function ioRedis({ Redis, Cluster }: Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>): Open {
  return (url, cluster) => {
    const options = { lazyConnect: true, connectTimeout: timeoutMs, maxRetriesPerRequest: 0, retryStrategy: () => null }
    const redisOptions = { ...options, ...credentials(url), ...(url.protocol === 'rediss:' ? { tls: {} } : {}) }
    const node = { host: url.hostname, port: Number(url.port || 6379) }
    const client = cluster
      ? new Cluster([node], { lazyConnect: true, clusterRetryStrategy: () => null, redisOptions })
      : new Redis(url.href, options)
    client.on('error', ignore)
    return {
      client: 'ioredis',
      send: (args) => inTime(client.call(...args)),
      connect: () => client.connect(),
      close: quietly(() => client.disconnect()),
    }
  }
}

/** Ignores errors of closing: the connection may be closed already. */
function quietly(disconnect: () => unknown): () => Promise<void> {
  return async () => {
    try {
      await disconnect()
    } catch {
      // Closed already.
    }
  }
}

function credentials({ username, password }: URL): { username?: string; password?: string } {
  const user = username === '' ? {} : { username: decodeURIComponent(username) }
  return password === '' ? user : { ...user, password: decodeURIComponent(password) }
}

async function reach(url: URL, opening: Opening): Promise<Connection> {
  try {
    await inTime(opening.connect())
    // Some clients connect without a password and fail only at the first command.
    await opening.send(['PING'], '').catch((error: Error) => {
      if (error.message.startsWith('NOAUTH')) throw error
    })
    return opening
  } catch (error) {
    await opening.close()
    // Hides the client's error, which may quote what was sent.
    if (error instanceof Error && /WRONGPASS|NOAUTH|invalid (user|pass)/i.test(error.message)) {
      const fix = 'correct them in the URL: redis://user:password@host:port'
      throw new CliError(1, 'store-unsuitable', `${shownUrl(url)} refuses the user name or password`, fix)
    }
    const fix = 'check that it runs, its host and port, and rediss:// against redis://'
    throw new CliError(3, 'store-unavailable', `no Redis answers at ${shownUrl(url)}`, fix)
  }
}
