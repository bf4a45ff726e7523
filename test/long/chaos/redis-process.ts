import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A Redis server that can be killed and restarted on its port and files. */
export class RedisProcess {
  readonly port: number
  readonly #dir: string
  readonly #settings: Readonly<Record<string, string>>
  #child: ChildProcess | undefined

  private constructor(port: number, dir: string, settings: Readonly<Record<string, string>>) {
    this.port = port
    this.#dir = dir
    this.#settings = settings
  }

  /** Starts a server, by default without persistence. `settings` are those of redis.conf. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<RedisProcess> {
    const server = new RedisProcess(await freePort(), await mkdtemp(join(tmpdir(), 'cheqpoint-chaos-')), settings)
    process.once('exit', server.#cleanUp)
    await server.start()
    return server
  }

  /** Resolves when the server has loaded its files and responds. */
  async start(): Promise<void> {
    const all = { port: String(this.port), bind: '127.0.0.1', dir: this.#dir, save: '', ...this.#settings }
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('redis-server did not start')))
      child.stdout.on('data', (chunk: Buffer) => {
        if (String(chunk).includes('Ready to accept connections')) resolve()
      })
    })
  }

  /** Kills the process, not the machine: data written to files is kept. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async stop(): Promise<void> {
    await this.kill()
    process.off('exit', this.#cleanUp)
    rmSync(this.#dir, { recursive: true, force: true })
  }

  readonly #cleanUp = (): void => {
    this.#child?.kill('SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

export function redisVersion(): string {
  return /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown'
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  // The address of a TCP server is an object.
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
