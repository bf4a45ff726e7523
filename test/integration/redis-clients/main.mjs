/*
 * The store contract and check() through each Redis client, on one server and on a cluster of three. Needs a build of the
 * project, `npm ci` in this folder, and redis-server in the PATH or a server program in REDIS_SERVER.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const program = process.env.REDIS_SERVER ?? 'redis-server'
const here = new URL('.', import.meta.url)
const dist = new URL('../../../dist/src/', here)
const missing = [
  [existsSync(new URL('node_modules', here)), 'clients not found (npm ci in test/integration/redis-clients)'],
  [existsSync(new URL('stores/redis/redis-store.js', dist)), 'dist not found (npm run build)'],
  [spawnSync(program, ['--version']).status === 0, `${program} not found (apt-get install redis-server)`],
].find(([found]) => !found)
if (missing !== undefined) {
  console.warn(`SKIPPED redis-clients: ${missing[1]}`)
  process.exit(process.env.CI ? 1 : 0)
}

const { redisStore } = await import(new URL('stores/redis/redis-store.js', dist))
const { storeContract } = await import(new URL('testing/store-contract.js', dist))

/** How each client is opened: resolves with sendCommand and close. */
const clients = {
  ...Object.fromEntries(
    [4, 5, 6].flatMap((major) => [
      [`node-redis ${major}`, (ports) => nodeRedis(`redis${major}`, ports, {})],
      ...(major > 4 ? [[`node-redis ${major}, RESP3`, (ports) => nodeRedis(`redis${major}`, ports, { RESP: 3 })]] : []),
    ]),
  ),
  ...Object.fromEntries(
    [5, 6].flatMap((major) => [
      [`ioredis ${major}`, (ports) => ioredis(`ioredis${major}`, ports, {})],
      [
        `ioredis ${major}, auto-pipelining`,
        (ports) => ioredis(`ioredis${major}`, ports, { enableAutoPipelining: true }),
      ],
    ]),
  ),
  'valkey-glide': glide,
}

async function nodeRedis(name, ports, options) {
  const { createClient, createCluster } = await import(name)
  const urls = ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }))
  const client =
    ports.length > 1
      ? createCluster({ rootNodes: urls, defaults: options, ...options })
      : createClient({ ...urls[0], ...options })
  client.on('error', () => {})
  await client.connect()
  const sendCommand =
    ports.length > 1 ? (args, key) => client.sendCommand(key, false, args) : (args) => client.sendCommand(args)
  return { sendCommand, close: () => client.disconnect?.() ?? client.destroy() }
}

async function ioredis(name, ports, options) {
  const { Cluster, Redis } = await import(name)
  const redis =
    ports.length > 1
      ? new Cluster(
          ports.map((port) => ({ host: '127.0.0.1', port })),
          options,
        )
      : new Redis({ host: '127.0.0.1', port: ports[0], ...options })
  return { sendCommand: (args) => redis.call(...args), close: () => redis.disconnect() }
}

async function glide(ports) {
  const { GlideClient, GlideClusterClient, Logger } = await import('@valkey/valkey-glide')
  Logger.setLoggerConfig('off')
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }))
  const requestTimeout = 10_000
  if (ports.length === 1) {
    const client = await GlideClient.createClient({ addresses, requestTimeout })
    return { sendCommand: (args) => client.customCommand(args), close: () => client.close() }
  }
  const client = await GlideClusterClient.createClient({ addresses, requestTimeout })
  const route = (key) => ({ route: { type: 'primarySlotKey', key } })
  return { sendCommand: (args, key) => client.customCommand(args, route(key)), close: () => client.close() }
}

const children = []
const dirs = []
let failures = 0
try {
  const single = [await startServer()]
  const cluster = [await startServer(true), await startServer(true), await startServer(true)]
  await join3(cluster)
  for (const [name, open] of Object.entries(clients)) {
    await tryClient(name, 'one server', 1, () => open(single))
    await tryClient(name, 'cluster of three', 16, () => open(cluster))
  }
} finally {
  for (const child of children) child.kill('SIGKILL')
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
}
console.log(failures === 0 ? 'every client keeps the contract' : `${failures} failures`)
process.exit(failures === 0 ? 0 : 1)

async function tryClient(name, where, partitions, open) {
  const begun = performance.now()
  const failed = []
  let passed = 0
  let client
  try {
    client = await open()
    const { sendCommand } = client
    const create = async () => {
      const prefix = randomUUID()
      return { store: redisStore({ sendCommand, prefix, partitions }) }
    }
    const { store } = await create()
    await store.check()
    await Promise.all(
      storeContract({ create }).map(async ({ name: rule, run }) => {
        try {
          await run()
          passed++
        } catch (error) {
          failed.push(`${rule}: ${error.message.split('\n')[0]}`)
        }
      }),
    )
  } catch (error) {
    failed.push(`${error.code ?? error.name}: ${error.message}`)
  }
  await client?.close()
  failures += failed.length
  console.log(
    `${name}, ${where}: ${passed} passed, ${failed.length} failed, ${Math.round(performance.now() - begun)} ms`,
  )
  for (const each of failed.slice(0, 5)) console.log(`  ${each}`)
}

async function startServer(inCluster = false) {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'redis-clients-'))
  dirs.push(dir)
  const more = inCluster ? ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000'] : []
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no', ...more]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${program} ended`)))
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve())
  })
  return port
}

async function join3(ports) {
  const { createClient } = await import('redis5')
  const nodes = await Promise.all(ports.map((port) => createClient({ url: `redis://127.0.0.1:${port}` }).connect()))
  for (const [at, node] of nodes.entries()) {
    const bounds = [0, 5461, 10923, 16384]
    await node.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', `${bounds[at]}`, `${bounds[at + 1] - 1}`])
    if (at > 0) await node.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', `${ports[0]}`])
  }
  for (const node of nodes) {
    while (!/cluster_state:ok.*cluster_known_nodes:3/s.test(await node.sendCommand(['CLUSTER', 'INFO'])))
      await sleep(50)
    node.destroy()
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer()
    // The port of the cluster bus is 10,000 above.
    server.listen(20_000 + Math.floor(Math.random() * 12_000), '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
    server.on('error', () => resolve(freePort()))
  })
}
