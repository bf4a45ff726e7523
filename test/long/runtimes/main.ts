import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createSimulator } from '../../../src/simulator/index.js'
import { sharedRedis } from '../../support/redis-server.js'
import { selfSigned } from '../../support/tls-server.js'

/*
 * Tries the package on Node.js, Bun and Deno: packs it, installs it with its peers and the two runtimes into a folder
 * outside this tree, and runs program.ts there on each, against a simulator and a Redis that stay on Node.js.
 * Use: npm run build && node dist/test/long/runtimes/main.js
 */

const names = ['@hono/node-server', 'express', 'hono', 'redis']
const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const home = mkdtempSync(join(tmpdir(), 'cheqpoint-runtimes-'))
process.once('exit', () => rmSync(home, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home])
const [{ filename }] = JSON.parse(packed.toString())
writeFileSync(join(home, 'package.json'), JSON.stringify({ type: 'module' }))
const wanted = [`./${filename}`, ...names.map((name) => `${name}@${devDependencies[name]}`), 'bun', 'deno']
execFileSync('npm', ['install', '--no-audit', '--no-fund', ...wanted], { cwd: home, stdio: 'inherit' })
copyFileSync(fileURLToPath(new URL('program.js', import.meta.url)), join(home, 'program.js'))

const bin = (name: string): string => join(home, 'node_modules', '.bin', name)
const runtimes = [
  { name: 'Node.js', command: process.execPath, args: [], env: {} },
  { name: 'Bun', command: bin('bun'), args: ['run'], env: {} },
  { name: 'Bun, with a dispatcher', command: bin('bun'), args: ['run'], env: { UNDICI_PATH: 'undici/index.js' } },
  { name: 'Deno', command: bin('deno'), args: ['run', '--allow-all'], env: {} },
]
const apiKey = 'cq_live_runtimes'
const redis = await sharedRedis()
const credentials = selfSigned()
const tls = createServer(credentials, (_, response) => {
  response.writeHead(201, { 'content-type': 'application/json' })
  response.end('{"approvalId":"req_tls","status":"pending"}')
}).listen(0, '127.0.0.1')
tls.on('tlsClientError', () => {}) // who does not trust it hangs up
await once(tls, 'listening')
const tlsAddress = tls.address()
const tlsPort = typeof tlsAddress === 'object' ? tlsAddress?.port : undefined
const simulator = await createSimulator({ apiKey })
const { url } = await simulator.listen()
simulator.subscribe((change) => {
  if (change.type !== 'request' || change.request.status !== 'pending') return
  const { id, submission } = change.request
  // Not before the submission is answered, or there would be no callback and nothing to look for.
  if (submission['summary'] === 'approve') setTimeout(() => simulator.decide(id, { status: 'approved' }), 20)
})

for (const { name, command, args, env } of runtimes) {
  const version = execFileSync(command, ['--version']).toString().split('\n')[0]
  console.log(`\n${name}, ${version}`)
  const child = spawn(command, [...args, 'program.js'], {
    cwd: home,
    env: {
      ...process.env,
      ...env,
      SIMULATOR_URL: url,
      REDIS_URL: redis.url,
      TLS_URL: `https://127.0.0.1:${tlsPort}`,
      TLS_CERT: credentials.cert,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let failed = 0
  // Sockets or timers that a check leaves behind would keep the process.
  let hangs = setTimeout(() => child.kill('SIGKILL'), 60_000)
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(hangs)
    hangs = setTimeout(() => child.kill('SIGKILL'), 30_000)
    const { name: check, wrong } = JSON.parse(line)
    if (wrong !== null) failed++
    console.log(`  ${wrong === null ? 'ok' : 'NO'}  ${check}${wrong === null ? '' : `: ${wrong}`}`)
  }
  const [code, signal] = await ended
  clearTimeout(hangs)
  // What a failed check leaves behind says nothing of those that did not fail.
  if (failed === 0)
    console.log(`  ${code === 0 ? 'ok' : 'NO'}  ends by itself${code === 0 ? '' : `: ${code ?? signal}`}`)
}
await simulator.close()
await redis.stop()
tls.close()
