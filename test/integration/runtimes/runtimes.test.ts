import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSimulator } from '../../../src/simulator/index.js'
import { quoted, tableRows } from '../../support/blocks.js'
import { describeInstalled } from '../../support/installed.js'
import { describeWith } from '../../support/needs.js'
import { sharedRedis } from '../../support/redis-server.js'
import { selfSigned } from '../../support/tls-server.js'
import { apiKey } from './checks.js'
import { startWrongApi } from './wrong-api.js'

/*
 * The packed package on each runtime of docs/runtimes.md, with a simulator, a Redis and wrong APIs on Node.js. Each
 * check must have the result that the document shows.
 */

/** The result of each check: `null`, or its error. */
type Results = ReadonlyMap<string, string | null>

describeWith('redis-server', 'the package on', () => {
  describeInstalled('runtimes', (folder) => {
    const place = mkdtempSync(join(folder, 'run-'))
    const bin = (name: string): string => join(folder, 'node_modules', '.bin', name)
    const stops: (() => unknown)[] = [() => rmSync(place, { recursive: true, force: true })]
    const env: Record<string, string | undefined> = { ...process.env, SQLITE_FILE: join(place, 'approvals.db') }

    beforeAll(async () => {
      cpSync('dist/test/integration/runtimes', place, { recursive: true })
      const [vouched, strange] = [selfSigned(), selfSigned()]
      env['NODE_EXTRA_CA_CERTS'] = join(place, 'vouched.pem')
      writeFileSync(join(place, 'vouched.pem'), vouched.cert)
      const redis = await sharedRedis()
      const wrong = await startWrongApi()
      const simulator = await createSimulator({ apiKey })
      stops.push(
        () => redis.stop(),
        wrong.close,
        () => simulator.close(),
      )
      env['REDIS_URL'] = redis.url
      env['WRONG_URL'] = wrong.url
      env['SIMULATOR_URL'] = (await simulator.listen()).url
      env['VOUCHED_URL'] = await listenTls(vouched)
      env['STRANGE_URL'] = await listenTls(strange)
    })
    afterAll(async () => {
      for (const stop of stops) await stop()
    })

    async function listenTls(credentials: { readonly key: string; readonly cert: string }): Promise<string> {
      const server = createServer(credentials, (_, response) => {
        response.writeHead(201, { 'content-type': 'application/json' })
        response.end('{"approvalId":"req_tls","status":"pending"}')
      }).listen(0, '127.0.0.1')
      server.on('tlsClientError', () => {}) // a client that does not trust it hangs up
      await once(server, 'listening')
      stops.push(() => server.close())
      const address = server.address()
      return `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    }

    /** Runs the program of the checks. */
    async function run(command: string, ...args: readonly string[]): Promise<Results> {
      const child = spawn(command, [...args, join(place, 'program.js')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'exit')
      // Resources of a failed check may keep the process alive.
      const hangs = setTimeout(() => child.kill('SIGKILL'), 100_000)
      const results = new Map<string, string | null>()
      for await (const line of createInterface({ input: child.stdout })) {
        const { name, wrong } = JSON.parse(line)
        results.set(name, wrong)
      }
      const [code, signal] = await ended
      clearTimeout(hangs)
      return results.set('ends by itself', code === 0 ? null : `it ended with ${code ?? signal}`)
    }

    /** Bundles and serves the worker, and requests each check. */
    async function serve(names: readonly string[]): Promise<Results> {
      const bundle = ['--bundle', '--format=esm', '--platform=node', `--outfile=${join(place, 'bundle.mjs')}`]
      execFileSync(bin('esbuild'), [join(place, 'worker.js'), ...bundle], { stdio: 'pipe' })
      const text = (name: string): string => `(name = "${name}", text = "${env[name]}")`
      const config = `using Workerd = import "/workerd/workerd.capnp";
        const worker :Workerd.Worker = (
          modules = [(name = "bundle.mjs", esModule = embed "bundle.mjs")],
          compatibilityDate = "2026-11-01",
          bindings = [${text('SIMULATOR_URL')}, ${text('WRONG_URL')}],
        );
        const config :Workerd.Config = (
          services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["private"]))],
          sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
        );`
      writeFileSync(join(place, 'config.capnp'), config)
      const args = ['serve', join(place, 'config.capnp'), '--control-fd=3']
      const child = spawn(bin('workerd'), args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
      const [control] = await once(child.stdio[3] ?? child, 'data')
      const { port } = JSON.parse(String(control))
      const results = new Map<string, string | null>()
      for (const name of names) {
        const response = await fetch(`http://127.0.0.1:${port}/check/${encodeURIComponent(name)}`)
        results.set(name, JSON.parse(response.ok ? await response.text() : JSON.stringify(await response.text())))
      }
      child.kill()
      await once(child, 'exit')
      return results
    }

    const rows = tableRows('docs/runtimes.md', 'runtimes').map(([name = '', ...cells]) => ({
      name: quoted(name)[0] ?? '',
      cells,
    }))
    describe.each([
      ['Node.js', 0, () => run(process.execPath)],
      ['Deno', 1, () => run(bin('deno'), 'run', '--allow-all')],
      ['Bun', 2, () => run(bin('bun'), 'run')],
      ['workerd', 3, () => serve(rows.filter(({ cells }) => cells[3] !== 'not tried').map(({ name }) => name))],
    ] as const)('%s', (_, column, runAll) => {
      let results: Results
      beforeAll(async () => {
        results = await runAll()
      })

      it.each(rows.map(({ name, cells }) => [name, cells[column] ?? ''] as const))('%s: %s', (name, said) => {
        const result = results.get(name)
        if (said === 'works') expect(result).toBeNull()
        else if (said === 'not tried') expect(result).toBeUndefined()
        else if (said.startsWith('works from')) expect(result ?? null).toBeNull()
        else expect(result).toEqual(expect.any(String))
      })
    })
  })
})
