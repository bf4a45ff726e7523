import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'

/** A Redis server of this test run. */
export interface TestServer {
  readonly port: number
  readonly url: string
  /** Stops the process from answering, as a hanging machine would. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Starts a server without persistence on a free port. `settings` are those of redis.conf, as pairs. */
export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const dir = await mkdtemp(join(tmpdir(), 'cheqpoint-redis-'))
  const all = { bind: '127.0.0.1', dir, save: '', appendonly: 'no', ...settings }
  const { port, child } = await startOnFreePort(all).catch(async (error: unknown) => {
    await rm(dir, { recursive: true, force: true })
    throw error
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      process.off('exit', kill)
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        kill()
        await gone
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function startOnFreePort(
  settings: Readonly<Record<string, string>>,
  tries = 1,
): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const port = await freePort()
  const args = Object.entries({ port: String(port), ...settings }).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await ready(child)
    return { port, child }
  } catch (error) {
    // Another process may take the port before the server does.
    if (tries === 5 || !String(error).includes('Address already in use')) throw error
    return startOnFreePort(settings, tries + 1)
  }
}

/** A server for tests that need no settings: the one at `REDIS_URL`, or one of our own. */
export async function sharedRedis(): Promise<Pick<TestServer, 'url' | 'stop'>> {
  const url = process.env['REDIS_URL']
  return url === undefined ? startRedis() : { url, stop: async () => {} }
}

/** Starts three primaries that share the slots, with these settings besides. Leaves no process if that fails. */
export async function startCluster(
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly ports: readonly number[]; stop(): Promise<void> }> {
  const all = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000', ...settings }
  const starts = await Promise.allSettled([0, 1, 2].map(() => startRedis(all)))
  const nodes = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason
    await shareSlots(nodes)
  } catch (error) {
    await stop()
    throw error
  }
  return { ports: nodes.map(({ port }) => port), stop }
}

/** Shares the slots among three servers, and waits until each knows the others. */
async function shareSlots(nodes: readonly TestServer[]): Promise<void> {
  const clients = nodes.map(({ url }) => createClient({ url }))
  const bounds = [0, 5461, 10923, 16384]
  try {
    await Promise.all(clients.map((client) => client.connect()))
    for (const [at, client] of clients.entries()) {
      const [from = 0, to = 0] = [bounds[at], (bounds[at + 1] ?? 0) - 1]
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', String(from), String(to)])
      if (at > 0) await client.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(nodes[0]?.port)])
    }
    for (const client of clients) {
      await until(async () => {
        const info = String(await client.sendCommand(['CLUSTER', 'INFO']))
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3')
      })
    }
  } finally {
    // A client that is open would connect again and again once its server has stopped.
    for (const client of clients) if (client.isOpen) client.destroy()
  }
}

/** Moves the slot of a key through all nodes of a cluster to the second. Resolves with the number of moves. */
export async function moveSlot(ports: readonly number[], key: string): Promise<number> {
  const clients = await Promise.all(ports.map((port) => createClient({ url: `redis://127.0.0.1:${port}` }).connect()))
  const nodes = await Promise.all(
    clients.map(async (client, at) => ({
      port: String(ports[at]),
      id: String(await client.sendCommand(['CLUSTER', 'MYID'])),
      ask: (...args: string[]) => client.sendCommand(args),
    })),
  )
  const slot = String(await nodes[0]?.ask('CLUSTER', 'KEYSLOT', key))
  let from = [5461, 10923, 16384].findIndex((end) => Number(slot) < end)
  let moves = 0
  for (; moves < 4; moves++) {
    const to = (from + 1) % nodes.length
    const [source, target] = [nodes[from], nodes[to]]
    if (source === undefined || target === undefined) throw new Error('a cluster of three is needed')
    await target.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
    await source.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
    for (;;) {
      const [next] = (await source.ask('CLUSTER', 'GETKEYSINSLOT', slot, '1')) as unknown as string[]
      if (next === undefined) break
      await source.ask('MIGRATE', '127.0.0.1', target.port, next, '0', '5000')
      // While only one of two keys has moved, neither node can run a script that needs both.
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const node of [target, source, ...nodes]) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', target.id)
    from = to
  }
  for (const client of clients) await client.close()
  return moves
}

/** Polls a condition for at most ten seconds. */
export async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error('waited ten seconds in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A free port whose cluster bus port, 10,000 above, is a port too. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + randomInt(12_000)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`redis-server did not start:\n${log}`)))
    child.stdout?.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-4_000)
      if (log.includes('Ready to accept connections')) resolve()
    })
  })
}
