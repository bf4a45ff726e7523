import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCheqpointError, type Store } from '../../src/index.js'
import { type RedisStoreOptions, redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { id, tracked } from '../support/answers-bench.js'
import { canaries, everything, searchFor, standingSecrets } from '../support/canaries.js'
import { describeWith } from '../support/needs.js'
import type { Backing } from '../support/redaction-backing.js'
import { redactionBench } from '../support/redaction-bench.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'

const search = searchFor(standingSecrets)
const stamp = 'a-stamp'
const state = {
  details: JSON.stringify({ card: canaries.details }),
  context: JSON.stringify({ tenant: canaries.context }),
  decision: { note: canaries.note, modifiedDetails: { card: canaries.edit } },
  result: canaries.result,
  candidates: [canaries.claim],
}

/** Every method, with everything that it can be given. */
const calls: Readonly<Record<Exclude<keyof Store, 'close'>, (store: Store) => Promise<unknown>>> = {
  read: (store) => store.read(`a:${id}`),
  write: (store) => store.write(`a:${id}`, null, { stamp, dueAt: 0, parkedAt: null, state }, { intake: true }),
  takeDue: (store) => store.takeDue(1, 1),
  list: (store) => store.list('due', { limit: 1 }),
  count: (store) => store.count(),
  remove: (store) => store.remove(`a:${id}`, 'digest'),
  check: async (store) => store.check?.(),
}

const words = ['OOM', 'NOAUTH', 'WRONGPASS', 'NOPERM', 'READONLY', 'MOVED', 'WRONGTYPE', 'LOADING', 'NOSCRIPT']
const starts = [
  ...words,
  'ERR',
  'ERR unknown command',
  'ERR Error running script @user_script:1: -OOM',
  'write failed:',
]

/** What clients of Redis throw: with the command attached, and quoted. */
function quoting(start: string, args: readonly string[]): Error {
  const text = `${start} ${canaries.storeError} ${args.join(' ')}`
  const cause = new Error(text, { cause: { command: args } })
  return Object.assign(new Error(text, { cause }), { command: { name: args[0], args }, input: Buffer.from(text) })
}

/** A client that throws an error, or hands one over, that has everything in it. */
const clients: readonly (readonly [string, (start: string) => SendCommand])[] = [
  ['throws', (start) => (args) => Promise.reject(quoting(start, args))],
  [
    'throws at once',
    (start) => (args) => {
      throw quoting(start, args)
    },
  ],
  ['hands over as a value', (start) => (args) => Promise.resolve(quoting(start, args))],
]

describe.each(clients)('an error that a client of Redis %s', (_, client) => {
  it.each(Object.entries(calls))('leaves nothing in what %s rejects with', async (_, call) => {
    let rejected = 0
    for (const start of starts) {
      const result = await settle(call(redisStore({ sendCommand: client(start) })))
      if (isCheqpointError(result)) rejected++
      else expect(result).not.toBeInstanceOf(Error)
      expect(search(everything(result)), start).toEqual([])
    }
    expect(rejected).toBeGreaterThan(0)
  })

  it.each(['ERR', 'OOM', 'LOADING', 'write failed:'])(
    'leaves nothing in events, errors and responses: %s',
    async (start) => {
      const store = redisStore({ sendCommand: client(start) })
      const bench = redactionBench({ store, pass: async () => {}, dump: async () => [] } satisfies Backing)
      await bench.receiver.track(id, tracked).catch(() => {})
      expect((await bench.send()).status).toBe(503)
      await bench.receiver.resolve(id).catch(() => {})
      const evidence = await bench.evidence()
      expect(evidence.map(({ place }) => place)).toContain('event error')
      expect(evidence.flatMap(({ place, text }) => search(text).map((kind) => `${kind} in ${place}`))).toEqual([])
    },
  )
})

describe('a reply that Redis cannot have given', () => {
  const { storeError } = canaries
  it.each<[string, unknown]>([
    ['a text', storeError],
    ['a list of texts', [storeError, storeError]],
    ['a word and a wrong rest', ['claimed', storeError, storeError]],
    ['an object', { [storeError]: storeError }],
    ['bytes', Buffer.from(storeError)],
    ['a list of errors', [new Error(storeError)]],
  ])('is not shown: %s', async (_, reply) => {
    for (const [name, call] of Object.entries(calls)) {
      const result = await settle(call(redisStore({ sendCommand: async () => reply })))
      expect(search(everything(result)), name).toEqual([])
    }
  })
})

describeWith('redis-server', 'what check() returns', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  const info = [
    ...['config_file', 'executable', 'os', 'aof_last_write_status', 'slave0', 'run_id'].map(
      (field) => `${field}:${canaries.storeError}`,
    ),
    'redis_version:7.0.0',
    'maxmemory_policy:allkeys-lru',
    'aof_enabled:0',
    'connected_slaves:0',
  ].join('\r\n')
  const says: SendCommand = async (args, key) => {
    const reply = await redis.send(args, key)
    // The script that asks for INFO is sent by its source.
    return args[0] === 'EVAL' && Array.isArray(reply) && reply[1] === 7 ? reply.with(4, info) : reply
  }

  it.each<[string, Partial<RedisStoreOptions>, string]>([
    ['in warnings', { allowEviction: true }, 'allkeys-lru'],
    ['in an error', {}, 'allkeys-lru'],
    ['of replicas', { allowEviction: true, minReplicas: 1 }, '0 connected replicas'],
  ])('quotes nothing else of the reply of the server: %s', async (_, options, quoted) => {
    const prefix = randomUUID()
    const said = await settle(redisStore({ sendCommand: says, prefix, ...options }).check?.() ?? Promise.resolve())
    expect(everything(said)).toContain(quoted)
    expect(search(everything(said))).toEqual([])
  })
})

describeWith('redis-server', 'a Redis that wants a password', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  it('does not get it back in an error', async () => {
    const sendCommand: SendCommand = (_, key) => redis.send(['AUTH', 'user', canaries.storeError], key)
    const error = await settle(redisStore({ sendCommand }).check?.() ?? Promise.resolve())
    expect(isCheqpointError(error)).toBe(true)
    expect(search(everything(error))).toEqual([])
  })
})

/** What it resolves with, or the error. */
async function settle(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error)
}
