import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { SimulatedRequest, Simulator } from '../../src/simulator/index.js'
import { codeBlocks } from './blocks.js'

/** Compiler options that are relaxed for code in documents. */
const looser = {
  isolatedDeclarations: false,
  declaration: false,
  noPropertyAccessFromIndexSignature: false,
}

/** Compiles a folder strictly. The folder must be two levels below the project's. */
export function compileFolder(folder: string, compilerOptions: Readonly<Record<string, unknown>> = {}): void {
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { ...looser, rootDir: '.', outDir: 'out', ...compilerOptions },
    include: ['*.ts'],
  }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config))
  try {
    execFileSync('npx', ['tsc', '-p', folder], { encoding: 'utf8' })
  } catch (error) {
    throw new Error(`does not compile: ${error instanceof Error && 'stdout' in error ? error.stdout : error}`)
  }
}

/** Compiles a block of a document as a program. Returns the path of the JavaScript. */
export function compileBlock(
  document: string,
  name: string,
  folder: string,
  change: (code: string) => string = (code) => code,
): string {
  const block = codeBlocks(document, 'ts').find((each) => each.name === name)
  if (block === undefined) throw new Error(`${document} has no block named ${name}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/main.ts`, change(block.code))
  compileFolder(folder)
  return `${folder}/out/main.js`
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The next request that comes in. */
export function nextRequest(simulator: Simulator): Promise<SimulatedRequest> {
  return new Promise((resolve) => {
    const stop = simulator.subscribe((change) => {
      if (change.type !== 'request') return
      stop()
      resolve(change.request)
    })
  })
}
