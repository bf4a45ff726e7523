import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { describeWith } from '../support/needs.js'
import { startRedis, type TestServer, until } from '../support/redis-server.js'

const children: ChildProcess[] = []
let redis: TestServer | undefined

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await redis?.stop()
})

describeWith('redis-server', 'the example with two processes behind one Redis', () => {
  it('moves the decisions of a process that Ctrl-C stopped to the other one, each handled once', async () => {
    redis = await startRedis()
    const [api = 0, first = 0, second = 0] = await freePorts(3)
    const env = { CHEQPOINT_BASE_URL: `http://127.0.0.1:${api}`, REDIS_URL: redis.url }
    const cheqpoint = start(['cheqpoint'], env)
    await until(() => cheqpoint.lines.length > 0)
    const one = start(['app', `${first}`, `${second}`, '5'], env)
    const other = start(['app', `${second}`, `${first}`, '5'], env)
    await until(() => ordersIn(one.lines, 'submitted').length === 3)

    one.child.kill('SIGINT')
    const [code] = await once(one.child, 'exit')
    expect(code).toBe(0)
    expect(one.lines.at(-1)).toBe(`app ${first}: stopped`)

    const submitted = (): readonly string[] => ordersIn([...one.lines, ...other.lines], 'submitted')
    const refunded = (): readonly string[] => ordersIn([...one.lines, ...other.lines], 'refunded')
    await until(() => ordersIn(other.lines, 'submitted').length === 5)
    await until(() => refunded().length >= submitted().length)
    expect([...refunded()].sort()).toEqual([...submitted()].sort())
    expect(ordersIn(other.lines, 'refunded').some((order) => order.startsWith(`${first}-`))).toBe(true)
  })
})

/** Starts the built example and collects its output lines. */
function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ['dist/examples/redis.js', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return { child, lines }
}

/** Orders in lines with this text. */
function ordersIn(lines: readonly string[], word: string): readonly string[] {
  return lines.flatMap((line) => new RegExp(`: ${word} ([\\d-]+)`).exec(line)?.[1] ?? [])
}

/** Different unused ports. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
