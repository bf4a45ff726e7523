/*
 * Compiles a recipe and takes a decision through it, over HTTP, against the simulator. Needs a build of the project, and
 * `npm ci` in the folder of the recipe.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** `start`: the file that starts the compiled app. `submit`: where it takes work. `malformed`: its status for a body that is no JSON. */
export async function tryRecipe(name, { start, submit, malformed }) {
  const folder = fileURLToPath(new URL(`${name}/`, import.meta.url))
  const missing = [
    [existsSync(`${folder}node_modules`), `${name} not found (npm ci in test/integration/${name})`],
    [existsSync(new URL('dist/src/index.js', root)), 'dist not found (npm run build)'],
  ].find(([found]) => !found)
  if (missing !== undefined) {
    console.warn(`SKIPPED ${name}: ${missing[1]}`)
    process.exit(process.env.CI ? 1 : 0)
  }
  const link = `${folder}node_modules/cheqpoint-callback`
  rmSync(link, { force: true })
  symlinkSync(fileURLToPath(root), link, 'dir')
  const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root))
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder], { cwd: folder, encoding: 'utf8' })
  assert.equal(compiled.stdout, '')
  assert.equal(compiled.status, 0, compiled.stderr)

  const { createSimulator } = await import(new URL('dist/src/simulator/index.js', root))
  const apiKey = 'cq_live_recipes'
  const simulator = await createSimulator({ apiKey })
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const app = spawn(process.execPath, [start], {
    cwd: folder,
    env: {
      ...process.env,
      ...{ PORT: String(port), PUBLIC_URL: origin, NEXT_RUNTIME: 'nodejs' },
      ...{ CHEQPOINT_BASE_URL: (await simulator.listen()).url, CHEQPOINT_CONNECTION_KEY: apiKey },
      CALLBACK_SECRET: 'a secret of the recipes',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(app, 'exit')
  const lines = createInterface({ input: app.stdout })[Symbol.asyncIterator]()
  const line = async () => (await lines.next()).value
  try {
    assert.equal(await line(), 'listening')
    const response = await fetch(origin + submit, { method: 'POST' })
    const { approvalId } = await response.json()
    simulator.decide(approvalId, { status: 'approved' })
    assert.equal(await line(), `approved, key cheqpoint:${approvalId}`)
    await simulator.settled()
    assert.deepEqual(
      simulator.deliveries().map(({ answer }) => answer.status),
      [200],
    )
    const to = `${origin}/webhooks/cheqpoint`
    assert.equal((await simulator.sendCallback({ to, approvalId, status: 'approved' })).status, 401)
    const headers = { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' }
    const { callbackUrl } = simulator.list().find(({ id }) => id === approvalId)
    assert.equal((await fetch(callbackUrl, { method: 'POST', headers, body: '{' })).status, malformed)
    const gzip = { ...headers, 'content-type': 'text/csv' }
    assert.equal((await fetch(callbackUrl, { method: 'POST', headers: gzip, body: 'a,b' })).status, 415)
    app.kill('SIGTERM')
    await ended
    console.log(`${name}: compiled, one decision handled by its callback, three callbacks refused`)
  } finally {
    app.kill('SIGKILL')
    await simulator.close()
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await once(server.close(), 'close')
  return port
}
