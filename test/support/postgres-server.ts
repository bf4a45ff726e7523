import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** A Postgres server of this test run. */
export interface PostgresServer {
  readonly port: number
  /** Of the superuser, for the database `postgres`. */
  readonly url: string
  /** Crashes the server, and restarts it on the same data after a pause. */
  restart(pauseMs?: number): Promise<void>
  /** Starts a read-only replica. */
  replicate(): Promise<Pick<PostgresServer, 'url' | 'stop'>>
  stop(): Promise<void>
}

/** The folder of the server's programs, or `undefined` if it is not installed. */
export function findPostgres(): string | undefined {
  const root = '/usr/lib/postgresql'
  try {
    const [newest] = readdirSync(root).sort((a, b) => Number(b) - Number(a))
    return newest === undefined ? undefined : join(root, newest, 'bin')
  } catch {
    return undefined
  }
}

/** Starts a server on a free port, without fsync unless `settings` say otherwise. `encoding`: that of its databases. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  encoding = 'UTF8',
): Promise<PostgresServer> {
  const bin = findPostgres()
  if (bin === undefined) throw new Error('postgres not found (apt-get install postgresql)')
  const dir = mkdtempSync('/tmp/cheqpoint-postgres-')
  // The server refuses to run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) chownSync(dir, idOf('-u'), idOf('-g'))
  const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : []
  const data = join(dir, 'data')
  const locale = ['--locale=C', `--encoding=${encoding}`]
  const init = [...as, join(bin, 'initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', ...locale]
  execFileSync(init[0] ?? '', init.slice(1), { cwd: '/', stdio: 'ignore' })
  const port = await freePort()
  const all = { fsync: 'off', listen_addresses: '127.0.0.1', unix_socket_directories: dir, ...settings }
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const start = [...as, join(bin, 'postgres'), '-D', data, '-p', String(port), ...options]
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let child = await run(start, url)
  const kill = () => void child.kill('SIGQUIT')
  process.once('exit', kill)
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    // On SIGQUIT the server ends its processes at once and writes nothing, as in a crash.
    kill()
    await gone
  }
  return {
    port,
    url,
    async restart(pauseMs = 0) {
      await end()
      await sleep(pauseMs)
      child = await run(start, url)
    },
    async replicate() {
      const copy = join(dir, 'replica')
      const from = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']
      const backup = [...as, join(bin, 'pg_basebackup'), '-D', copy, '-R', '--checkpoint=fast', '--no-sync', ...from]
      execFileSync(backup[0] ?? '', backup.slice(1), { cwd: '/', stdio: 'ignore' })
      const ownPort = await freePort()
      const ownUrl = url.replace(String(port), String(ownPort))
      const replica = await run([...as, join(bin, 'postgres'), '-D', copy, '-p', String(ownPort), ...options], ownUrl)
      const killReplica = () => void replica.kill('SIGQUIT')
      process.once('exit', killReplica)
      return {
        url: ownUrl,
        async stop() {
          process.off('exit', killReplica)
          const gone = new Promise((resolve) => replica.once('exit', resolve))
          killReplica()
          await gone
        },
      }
    },
    async stop() {
      process.off('exit', kill)
      await end()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function run(start: readonly string[], url: string): Promise<ChildProcess> {
  const child = spawn(start[0] ?? '', start.slice(1), { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk).slice(-4_000)
  })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`postgres did not start:\n${log}`)
    const client = new pg.Client(url)
    try {
      await client.connect()
      await client.end()
      return child
    } catch {
      await sleep(50)
    }
  }
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
