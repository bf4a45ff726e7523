import { isCheqpointError } from '../index.js'
import { redisStore, type SendCommand } from '../stores/redis/redis-store.js'
import { type Check, type Checkup, failed, found } from './checks.js'
import { splitRemedy } from './failure.js'
import { type Connection, connect } from './redis.js'
import { keptPartitions } from './store.js'
import { shownUrl } from './terminal.js'

/** Looks at a Redis as the store itself does, and writes nothing. */
export async function checkRedis(url: URL | undefined, prefix: string): Promise<Checkup> {
  if (url === undefined) {
    const check = found('reachable', 'skipped', 'not looked at', 'give --redis or set REDIS_URL')
    return { group: 'redis', target: '', checks: [check] }
  }
  const checks: Check[] = []
  let connection: Connection | undefined
  try {
    connection = await connect(url)
    checks.push(await reachable(connection), await server(connection))
    checks.push(...(await fitness(connection, prefix)))
  } catch (error) {
    checks.push(failed('store', error))
  } finally {
    await connection?.close()
  }
  return { group: 'redis', target: shownUrl(url), checks }
}

/** The median of a few, since the first one also pays for what was never used before. */
async function reachable({ send, client }: Connection): Promise<Check> {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    // A refusal takes its time too, and what is wrong is said below.
    await send(['PING'], '').catch(() => null)
    times.push(performance.now() - started)
  }
  const ms = times.sort((a, b) => a - b)[2] ?? 0
  const message = `answers in ${ms.toFixed(1)} ms, through ${client}`
  return ms <= 100
    ? found('reachable', 'ok', message)
    : found('reachable', 'warning', message, 'keep Redis near its receivers')
}

/** What it says of itself, in its own words. */
async function server({ send }: Connection): Promise<Check> {
  const info = String(await send(['INFO'], '').catch(() => ''))
  const names = ['redis_version', 'role', 'connected_slaves', 'maxmemory_policy', 'aof_enabled', 'used_memory_human']
  const facts = names.flatMap((name) => new RegExp(`^${name}:.*`, 'm').exec(info)?.[0].trim() ?? [])
  return found('server', 'ok', facts.join(' ') || 'tells this user nothing of itself')
}

async function fitness({ send }: Pick<Connection, 'send'>, prefix: string): Promise<readonly Check[]> {
  const kept = await keptPartitions({ send }, prefix)
  // The first check of a store writes down its partitions, which nobody has chosen here.
  const reading: SendCommand = (args, key) => (args[0] === 'SET' ? Promise.resolve('OK') : send(args, key))
  const findings = async (allowEviction: boolean): Promise<readonly Check[]> => {
    const warnings = await redisStore({ sendCommand: reading, prefix, partitions: kept ?? 1, allowEviction }).check()
    return warnings.map((warning) => found('store', 'warning', ...splitRemedy(warning)))
  }
  const use = found('prefix', 'ok', kept === null ? 'no receiver has used it yet' : `in use, with partitions: ${kept}`)
  try {
    const warnings = await findings(false)
    return [...(warnings.length > 0 ? warnings : [found('store', 'ok', 'keeps what it acknowledged')]), use]
  } catch (error) {
    if (!isCheqpointError(error, 'store-unsuitable')) throw error
    // What else there is to change, so that nobody has to ask twice.
    const more = await findings(true).catch(() => [])
    return [failed('store', error), ...more.filter(({ message }) => !message.includes('maxmemory-policy')), use]
  }
}
