import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Store } from '../../src/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { cli, cliHere, cliJson, secrets, type Told, told } from '../support/cli.js'
import { closedPort, misbehave, misbehaveRaw } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { approved, draft, hour, openBench, type RedisBench, record } from '../support/redis-bench.js'
import { startCluster, startRedis, type TestServer } from '../support/redis-server.js'

/** What is not about the process is asked in this one. */
const ask = async (args: readonly string[]): Promise<Told> => told(await cliHere([...args, '--json']))

/** Enough of a payload to tell whether it is shown. */
const details = '{"orderId":"8842","amount":120}'

describeWith('redis-server', 'the commands on a store', () => {
  let server: TestServer
  let bench: RedisBench
  let at: readonly string[]
  let store: Store
  beforeAll(async () => {
    server = await startRedis()
    bench = await openBench(server.url)
    at = ['--redis', server.url, '--prefix', 'mine']
    store = redisStore({ sendCommand: bench.send, prefix: 'mine', partitions: 4 })
    await store.check()
    for (const [n, dueInMs] of [0, 2 * hour, 3 * hour].entries()) {
      await store.add(record(`open-${n}`, { details }), { dueInMs })
    }
    await store.add(record('parked-0', { details, assistant: 'bot' }), { dueInMs: 0 })
    await store.claim('parked-0', 'token', hour, {})
    await store.seal('parked-0', 'token', approved)
    await store.park('parked-0', 'token', 'edit-invalid', '/amount')
    await store.reserve('ref-0', draft({ details }), { dueInMs: hour })
    await store.hold('ref-0', 'req_claimed')
  })
  afterAll(async () => {
    await bench.close()
    await server.stop()
  })

  const keys = async (): Promise<unknown> => (await bench.raw('KEYS', '*')) as unknown
  const open = (n: number) => ({
    approvalId: `open-${n}`,
    action: 'process_refund',
    assistant: null,
    state: 'pending',
    starts: 0,
  })

  it('lists what is open, those that are due first, and payloads only where they are asked for', {
    timeout: 60_000,
  }, async () => {
    const { code, document } = await ask(['pending', ...at])
    expect(code).toBe(0)
    const times = { ageMs: expect.any(Number), dueInMs: expect.any(Number) }
    expect(document).toEqual({ items: [0, 1, 2].map((n) => ({ ...open(n), ...times })), cursor: null })
    expect((await ask(['pending', ...at, '--details'])).document).toMatchObject({
      items: [{ details: { orderId: '8842', amount: 120 }, context: null, decision: null }, {}, {}],
    })
    const { stdout } = await cli(['pending', ...at])
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^approval id {2}action {10}state {4}age {2}starts {2}due in$/),
      expect.stringMatching(/^open-0 {7}process_refund {2}pending {2}\d+ s +0 +\d+ s ago$/),
      expect.stringMatching(/^open-1 {7}process_refund {2}pending {2}\d+ s +0 +2 h$/),
      expect.stringMatching(/^open-2 {7}process_refund {2}pending {2}\d+ s +0 +3 h$/),
      '',
    ])
    expect((await cli(['pending', ...at, '--details'])).stdout).toContain(`\n  details  ${details}\n`)
  })

  it('pages', { timeout: 60_000 }, async () => {
    const first = await ask(['pending', ...at, '--limit', '2'])
    const { items, cursor } = Object(first.document)
    expect(items).toMatchObject([open(0), open(1)])
    const rest = await ask(['pending', ...at, '--limit', '2', '--cursor', cursor])
    expect(rest.document).toMatchObject({ items: [open(2)], cursor: null })
    expect((await cli(['pending', ...at, '--limit', '2'])).stdout).toContain(`more: --cursor ${cursor}`)
    expect(await ask(['pending', ...at, '--cursor', 'nonsense'])).toMatchObject({ code: 2, failed: true })
  })

  it('lists what is parked, and what is unconfirmed', { timeout: 60_000 }, async () => {
    const parked = {
      ...{ approvalId: 'parked-0', action: 'process_refund', assistant: 'bot', state: 'parked' },
      ...{ ageMs: expect.any(Number), starts: 1, reason: 'edit-invalid', note: '/amount' },
    }
    expect(await ask(['parked', ...at])).toMatchObject({ code: 0, document: { items: [parked], cursor: null } })
    expect((await ask(['parked', ...at, '--details'])).document).toMatchObject({
      items: [{ ...parked, details: { amount: 120 }, decision: { status: 'approved' } }],
    })
    const unconfirmed = { ref: 'ref-0', action: 'process_refund', assistant: null, candidates: ['req_claimed'] }
    const { code, document } = await ask(['unconfirmed', ...at])
    expect({ code, document }).toEqual({
      code: 0,
      document: { items: [{ ...unconfirmed, ageMs: expect.any(Number) }], cursor: null },
    })
    expect((await ask(['unconfirmed', ...at, '--details'])).document).toMatchObject({
      items: [{ details: { amount: 120 } }],
    })
  })

  it('shows one', { timeout: 60_000 }, async () => {
    expect((await ask(['show', 'open-1', ...at])).document).toMatchObject(open(1))
    const { stdout } = await cli(['show', 'parked-0', ...at])
    expect(stdout).toMatch(/^approval id {2}parked-0\naction +process_refund\nassistant +bot\nstate +parked\n/)
    expect(stdout).not.toContain('8842')
    expect((await cli(['show', 'parked-0', ...at, '--details'])).stdout).toContain(`details      ${details}\n`)
    expect(await ask(['show', 'nobody', ...at])).toEqual({
      code: 1,
      failed: false,
      document: { approvalId: 'nobody', result: 'unknown' },
    })
  })

  it('retries, cancels and discards once, and says why not a second time', { timeout: 120_000 }, async () => {
    await store.add(record('to-park'), { dueInMs: hour })
    await store.claim('to-park', 'token', hour, {})
    expect(await ask(['cancel', 'to-park', ...at])).toMatchObject({ code: 1, document: { result: 'held' } })
    await store.park('to-park', 'token', 'adopted', '')
    expect(await ask(['retry', 'to-park', ...at])).toEqual({
      code: 0,
      failed: false,
      document: { approvalId: 'to-park', result: 'pending' },
    })
    expect(await store.get('to-park')).toMatchObject({ state: 'pending' })
    expect(await ask(['retry', 'to-park', ...at])).toMatchObject({ code: 1, document: { result: 'not-parked' } })
    expect((await cli(['cancel', 'to-park', ...at])).stdout).toBe(
      'to-park  cancelled: it ended without a run; at Cheqpoint nothing changed\n',
    )
    expect(await store.get('to-park')).toMatchObject({ state: 'done', tombstone: { outcome: 'cancelled' } })
    expect(await ask(['cancel', 'to-park', ...at])).toMatchObject({ code: 1, document: { result: 'done' } })
    expect((await ask(['show', 'to-park', ...at, '--details'])).document).toEqual({
      ...{ approvalId: 'to-park', action: 'process_refund', assistant: null, state: 'done', outcome: 'cancelled' },
      ...{ decision: null, result: null },
    })
    await store.reserve('ref-1', draft(), { dueInMs: hour })
    expect(await ask(['discard', 'ref-1', ...at])).toMatchObject({
      code: 0,
      document: { ref: 'ref-1', result: 'discarded' },
    })
    expect(await ask(['discard', 'ref-1', ...at])).toMatchObject({ code: 1, document: { result: 'unknown' } })
  })

  it('refuses a prefix that nobody uses, and another number of partitions, and writes nothing', {
    timeout: 60_000,
  }, async () => {
    const before = await keys()
    expect(await ask(['pending', '--redis', server.url])).toMatchObject({
      code: 2,
      document: { error: { code: 'prefix-unknown', fix: expect.stringContaining('--prefix') } },
    })
    expect(await ask(['pending', ...at, '--partitions', '2'])).toMatchObject({
      code: 2,
      document: { error: { message: 'the store has partitions: 4, and --partitions says 2' } },
    })
    const chosen = await cli(['pending', '--redis', server.url, '--prefix', 'new', '--partitions', '2'])
    expect(chosen).toEqual({ code: 0, stdout: 'No approval is open.\n', stderr: '' })
    expect(await keys()).toEqual(before)
  })

  it('takes the address from the environment', { timeout: 60_000 }, async () => {
    expect((await cli(['parked', '--prefix', 'mine'], { REDIS_URL: server.url })).code).toBe(0)
  })

  it('says so where there is no Redis, or something else, and gives up on what never answers', {
    timeout: 60_000,
  }, async () => {
    const page = await misbehave((_, response) => response.end('<h1>Hi</h1>'))
    const silent = await misbehaveRaw('')
    for (const origin of [`http://127.0.0.1:${await closedPort()}`, page.url, silent.url]) {
      const url = origin.replace('http://', `redis://user:${secrets.redis}@`)
      expect(await cliJson(['pending', '--redis', url])).toEqual({
        code: 3,
        failed: true,
        document: {
          error: {
            code: 'store-unavailable',
            message: `no Redis answers at ${origin.replace('http', 'redis')}`,
            fix: expect.stringContaining('check that it runs'),
          },
        },
      })
    }
  })

  it('says so where the password is wrong or missing', { timeout: 60_000 }, async () => {
    const locked = await startRedis({ requirepass: 'another' })
    onTestFinished(locked.stop)
    const wrong = locked.url.replace('//', `//:${secrets.redis}@`)
    expect(await cliJson(['pending', '--redis', wrong])).toMatchObject({
      code: 1,
      document: { error: { code: 'store-unsuitable' } },
    })
    expect(await cliJson(['pending', '--redis', locked.url])).toMatchObject({
      code: 1,
      document: { error: { code: 'store-unsuitable', fix: expect.stringMatching(/password|correct them/) } },
    })
  })

  it('finds its way through a cluster', { timeout: 60_000 }, async () => {
    const cluster = await startCluster()
    onTestFinished(cluster.stop)
    const url = `redis://127.0.0.1:${cluster.ports[0]}`
    for (const partitions of ['16']) {
      expect(await cliJson(['pending', '--redis', url, '--partitions', partitions])).toMatchObject({
        code: 0,
        document: { items: [] },
      })
    }
  })
})

describeWith('redis-server', 'doctor, on Redis', () => {
  const api = ['--base-url', 'http://127.0.0.1:9']

  async function doctor(url: string, ...args: readonly string[]) {
    const { code, document } = await cliJson(['doctor', ...api, '--redis', url, ...args])
    const checks: readonly Record<string, string>[] = Object(document).checks
    const own = checks.filter(({ group }) => group === 'redis')
    return { code, rows: own.map(({ check, status, message }) => `${check} ${status}: ${message}`), own }
  }

  it('is content with one that keeps what it acknowledged, and leaves nothing in it', { timeout: 60_000 }, async () => {
    const server = await startRedis({ appendonly: 'yes', appendfsync: 'always' })
    const bench = await openBench(server.url)
    onTestFinished(async () => {
      await bench.close()
      await server.stop()
    })
    expect((await doctor(server.url)).rows).toEqual([
      expect.stringMatching(/^reachable (ok|warning): answers in [\d.]+ ms, through redis$/),
      expect.stringMatching(
        /^server ok: redis_version:\d.* role:master connected_slaves:0 maxmemory_policy:noeviction aof_enabled:1/,
      ),
      'store ok: keeps what it acknowledged',
      'prefix ok: no receiver has used it yet',
    ])
    expect(await bench.raw('DBSIZE')).toBe(0)
    await redisStore({ sendCommand: bench.send, prefix: 'mine', partitions: 16 }).check()
    expect((await doctor(server.url, '--prefix', 'mine')).rows.at(-1)).toBe('prefix ok: in use, with partitions: 16')
  })

  it('fails on a cache, and names all that must change at once', { timeout: 60_000 }, async () => {
    const server = await startRedis({ 'maxmemory-policy': 'allkeys-lru' })
    onTestFinished(server.stop)
    const { own } = await doctor(server.url)
    expect(own.map(({ check, status, fix }) => [check, status, fix]).slice(2, 4)).toEqual([
      ['store', 'failure', expect.stringMatching(/^set it to noeviction/)],
      ['store', 'warning', 'set appendonly yes'],
    ])
  })

  it('fails on a replica', { timeout: 60_000 }, async () => {
    const primary = await startRedis()
    const replica = await startRedis({ replicaof: `127.0.0.1 ${primary.port}` })
    onTestFinished(async () => {
      await replica.stop()
      await primary.stop()
    })
    const { own } = await doctor(replica.url)
    expect(own).toContainEqual(expect.objectContaining({ status: 'failure', fix: 'connect to its primary' }))
  })

  it('cannot be reached where something else listens', { timeout: 60_000 }, async () => {
    const { url } = await misbehave((_, response) => response.end())
    const { code, own } = await doctor(url.replace('http', 'redis'))
    expect(code).toBe(3)
    expect(own).toMatchObject([{ check: 'reachable', status: 'failure' }])
  })
})

describe('the Redis client', { timeout: 60_000 }, () => {
  /** The package as it was built, beside nothing but its dependencies and these. */
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

  it('is asked for where none is installed, and hono for the simulator alone', async () => {
    const file = installedWith()
    expect(await cliJson(['pending', '--redis', 'redis://127.0.0.1:9'], {}, file)).toEqual({
      code: 2,
      failed: true,
      document: {
        error: {
          code: 'peer-missing',
          message: 'no Redis client is installed',
          fix: 'npm install redis, or npm install ioredis',
        },
      },
    })
    expect(await cliJson(['simulator'], {}, file)).toMatchObject({
      code: 2,
      document: { error: { code: 'peer-missing', fix: 'npm install --save-dev hono @hono/node-server' } },
    })
    expect((await cli(['--help'], {}, file)).code).toBe(0)
  })

  describeWith('redis-server', 'ioredis', () => {
    it('does as well, cluster included', async () => {
      const file = installedWith('ioredis')
      const [server, cluster] = await Promise.all([startRedis(), startCluster()])
      onTestFinished(async () => {
        await server.stop()
        await cluster.stop()
      })
      for (const url of [server.url, `redis://127.0.0.1:${cluster.ports[0]}`]) {
        const { document } = await cliJson(['doctor', '--base-url', 'http://127.0.0.1:9', '--redis', url], {}, file)
        const own = Object(document).checks.filter(({ group }: { readonly group: string }) => group === 'redis')
        expect(own[0].message).toMatch(/through ioredis$/)
        expect(await cliJson(['pending', '--redis', url, '--partitions', '16'], {}, file)).toMatchObject({ code: 0 })
      }
      const port = await closedPort()
      expect(await cliJson(['pending', '--redis', `redis://127.0.0.1:${port}`], {}, file)).toMatchObject({ code: 3 })
    })
  })
})
