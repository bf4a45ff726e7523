import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'

/*
 * The package as users get it: packed, and used in projects outside of this tree. Nothing is installed from a registry:
 * the tarball is unpacked where npm would put it, next to links to its declared dependencies, with peers (`all`) or
 * without (`bare`). An undeclared dependency is not found, as in a real project.
 */

const manifestSchema = z.object({
  dependencies: z.record(z.string(), z.string()),
  peerDependencies: z.record(z.string(), z.string()),
})
const packed = z.tuple([z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })])
let home: string
let tarball: string
let paths: readonly string[]

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'cheqpoint-consumers-'))
  const printed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home])
  const [{ filename, files }] = packed.parse(JSON.parse(printed.toString()))
  tarball = join(home, filename)
  paths = files.map(({ path }) => path)
  install('bare', ({ dependencies }) => [...Object.keys(dependencies), '@types/node'])
  install('all', ({ dependencies, peerDependencies }) => [
    ...Object.keys(dependencies),
    ...Object.keys(peerDependencies),
    ...['@types/node', '@types/express'], // users of Node.js and Express install these themselves
  ])
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** Unpacks the tarball into a folder of modules, beside links to others. */
function install(name: string, needs: (manifest: z.infer<typeof manifestSchema>) => readonly string[]): void {
  const modules = join(home, name, 'node_modules')
  const installed = join(modules, 'cheqpoint-callback')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')))
  for (const each of needs(manifest)) {
    mkdirSync(dirname(join(modules, each)), { recursive: true })
    symlinkSync(resolve('node_modules', each), join(modules, each))
  }
}

/** A program that uses every subpath, with a round trip through the simulator. */
const program = `
const simulator = await createSimulator({ apiKey: 'cq_live_consumers' })
const receiver = createReceiver({
  apiKey: 'cq_live_consumers',
  baseUrl: (await simulator.listen()).url,
  store: memoryStore(),
  telemetry: telemetry(),
  polling: { firstMs: 10 },
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number() }),
      onDecision(decision) {
        return decision.status === 'approved' ? { refunded: decision.details.amount } : undefined
      },
    },
  },
})
await receiver.start()
const details = { orderId: '8842', amount: 120 }
const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
simulator.decide(approvalId, { status: 'approved' })
const { result } = await receiver.wait(approvalId)
await receiver.close()
await simulator.close()
const used = [expressCallback, fastifyCallback, honoCallback].map((adapter) => adapter(receiver))
const others = [redisStore, postgresStore, sqliteStore, storeContract]
console.log(JSON.stringify(result), [...used, ...others].every((each) => typeof each === 'function'))
`
const said = '{"refunded":120} true\n'

const esmImports = `
import { createReceiver, memoryStore } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { fastifyCallback } from 'cheqpoint-callback/fastify'
import { honoCallback } from 'cheqpoint-callback/hono'
import { telemetry } from 'cheqpoint-callback/opentelemetry'
import { postgresStore } from 'cheqpoint-callback/postgres'
import { redisStore } from 'cheqpoint-callback/redis'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import { createSimulator } from 'cheqpoint-callback/simulator'
import { storeContract } from 'cheqpoint-callback/testing'
import { z } from 'zod'
`
/** Must not compile: only an approved decision has details. */
const mistake = `
createReceiver({ apiKey: 'k', onDecision: (decision) => void decision.details })
`

interface Project {
  readonly type: 'module' | 'commonjs'
  readonly options: object
  readonly files: Readonly<Record<string, string>>
  readonly beside?: 'all' | 'bare'
}

/** Writes a project next to an installed package. */
function writeProject(name: string, { type, options, files, beside = 'all' }: Project): string {
  const folder = join(home, beside, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }))
  // Hono's declarations use browser types.
  const lib = beside === 'all' ? ['ES2023', 'DOM'] : ['ES2023']
  const compilerOptions = { target: 'ES2023', lib, types: ['node'], strict: true, outDir: 'out', ...options }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }))
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  return folder
}

/** The compiler's errors in a project, including all declarations that it imports. */
function compile(folder: string): string {
  const { stdout } = spawnSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', folder], {
    cwd: folder,
    encoding: 'utf8',
  })
  return stdout
}

function run(folder: string, file: string, flags: readonly string[] = []) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, file], { cwd: folder, encoding: 'utf8' })
  return { status, said: status === 0 ? stdout : stderr }
}

describe('the packed package', () => {
  it('contains only the files that users need', () => {
    const shipped = /^(dist\/(src|adapters)\/.*|docs\/[\w-]+\.(md|svg)|package\.json|llms\.txt|[A-Z]+(\.md)?)$/
    expect(paths.filter((path) => !shipped.test(path))).toEqual([])
    const upper = paths.filter((path) => /^[A-Z]/.test(path))
    expect([...upper].sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md'])
    const built = paths.filter((path) => path.startsWith('dist/'))
    expect(built.filter((path) => !/\.(js|d\.ts|html|css|svg)$/.test(path))).toEqual([])
    expect(readdirSync('docs').filter((name) => name.endsWith('.md') && !paths.includes(`docs/${name}`))).toEqual([])
  })
})

describe('a project without peer dependencies', () => {
  it('compiles and runs the parts that need none', () => {
    const text = `
import { createReceiver } from 'cheqpoint-callback'
import { postgresStore } from 'cheqpoint-callback/postgres'
import { redisStore } from 'cheqpoint-callback/redis'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import { storeContract } from 'cheqpoint-callback/testing'

const receiver = createReceiver({ apiKey: 'cq_live_consumers', log: false, onDecision: ({ status }) => status })
const answer = await receiver.fetch(
  new Request('http://localhost/hook', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'Cheqpoint-Callback/1.0' },
    body: JSON.stringify({ approvalId: 'req_1', status: 'approved' }),
  }),
)
await receiver.close()
const stores = [redisStore({ sendCommand: async () => null }), postgresStore({ query: async () => [] })]
console.log(answer.status, stores.length, typeof sqliteStore, typeof storeContract)
`
    const options = { module: 'NodeNext' }
    const folder = writeProject('core', { type: 'module', options, files: { 'main.ts': text }, beside: 'bare' })
    expect(compile(folder)).toBe('')
    expect(run(folder, 'out/main.js')).toEqual({ status: 0, said: '404 2 function function\n' })
  })

  it('runs the simulator', () => {
    const text = `
import { createSimulator } from 'cheqpoint-callback/simulator'
const simulator = await createSimulator({ apiKey: 'cq_live_consumers' })
const { url } = await simulator.listen()
console.log((await fetch(url + '/api/approvals/a', { headers: { 'x-api-key': 'cq_live_consumers' } })).status)
await simulator.close()
`
    const folder = writeProject('simulator', {
      type: 'module',
      options: {},
      files: { 'main.js': text },
      beside: 'bare',
    })
    expect(run(folder, 'main.js')).toEqual({ status: 0, said: '404\n' })
  })
})

describe('a project of ES modules with module: nodenext', () => {
  it('compiles and runs', () => {
    const options = { module: 'NodeNext' }
    const folder = writeProject('nodenext', { type: 'module', options, files: { 'main.ts': esmImports + program } })
    expect(compile(folder)).toBe('')
    expect(run(folder, 'out/main.js')).toEqual({ status: 0, said })
  })
})

describe('a project that is a library', () => {
  it('can export what it makes, with declarations', () => {
    const text = `
import { action, createClient, createReceiver, memoryStore, verifyAndResolve } from 'cheqpoint-callback'
import { z } from 'zod'

const details = z.object({ amount: z.number() })
export const refund = action({ details, modifications: 'merge', onDecision: (decision) => decision.status })
export const notice = action({ onDecision: (decision) => decision.note })
export const receiver = createReceiver({ apiKey: 'k', actions: { refund, notice } })
export const client = createClient({ apiKey: 'k' })
export const submit = (amount: number) => client.inbound({ action: 'refund', summary: 'Refund', details: { amount } })
export const verify = (request: Request) => verifyAndResolve(request, { client, store: memoryStore() })
export const verifyTyped = (request: Request) =>
  verifyAndResolve(request, { client, store: memoryStore(), actions: { refund: { details } } })
`
    const options = { module: 'NodeNext', declaration: true, emitDeclarationOnly: true }
    expect(compile(writeProject('library', { type: 'module', options, files: { 'main.ts': text } }))).toBe('')
  })
})

describe('a project with moduleResolution: bundler', () => {
  it('compiles', () => {
    const options = { module: 'ESNext', moduleResolution: 'Bundler', noEmit: true }
    const folder = writeProject('bundler', { type: 'module', options, files: { 'main.ts': esmImports + program } })
    expect(compile(folder)).toBe('')
  })
})

describe('a CommonJS project', () => {
  const inCommonJs = (imports: string): string => `${imports}void (async () => {${program}})()\n`
  const required = inCommonJs(esmImports.replaceAll(/import (.*) from ('.*')/g, 'const $1 = require($2)'))
  const imported = `void (async () => {${esmImports.replaceAll(/import (.*) from ('.*')/g, 'const $1 = await import($2)')}${program}})()\n`
  // Node.js can require ES modules from 20.19 and 22.12 on.
  const { features } = process
  const canRequire = 'require_module' in features && features.require_module === true

  it.runIf(canRequire)('requires the package and runs, on a Node.js that can require ES modules', () => {
    const folder = writeProject('required', { type: 'commonjs', options: {}, files: { 'main.js': required } })
    expect(run(folder, 'main.js')).toEqual({ status: 0, said })
  })

  it('uses import() on a Node.js that cannot, where require fails with that advice', () => {
    const files = { 'main.js': required, 'imported.js': imported }
    const folder = writeProject('imported', { type: 'commonjs', options: {}, files })
    const older = ['--no-experimental-require-module']
    expect(run(folder, 'main.js', older)).toMatchObject({ status: 1, said: expect.stringContaining('ERR_REQUIRE_ESM') })
    expect(run(folder, 'imported.js', older)).toEqual({ status: 0, said })
  })

  it('compiles with module: nodenext', () => {
    const options = { module: 'NodeNext', noEmit: true }
    const files = { 'main.cts': inCommonJs(esmImports) }
    const folder = writeProject('cts', { type: 'commonjs', options, files })
    expect(compile(folder)).toBe('')
  })
})

describe('the types, as a project sees them', () => {
  it.each([
    ['ES modules', 'main.mts', { module: 'NodeNext' }],
    ['CommonJS', 'main.cts', { module: 'NodeNext' }],
    ['a bundler', 'main.ts', { module: 'ESNext', moduleResolution: 'Bundler' }],
  ])('of %s exist: a mistake is an error', (name, file, options) => {
    const text = `import { createReceiver } from 'cheqpoint-callback'${mistake}`
    const folder = writeProject(`mistake in ${name}`, {
      type: 'module',
      options: { ...options, noEmit: true, skipLibCheck: true },
      files: { [file]: text },
    })
    expect(compile(folder)).toMatch(/Property 'details' does not exist on type/)
  })
})
