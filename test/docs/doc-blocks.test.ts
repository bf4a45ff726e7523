import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { codeBlocks } from '../support/blocks.js'
import { compileFolder } from '../support/programs.js'

// Inside the project, so that the code finds the package by its name, as it was built.
const compiled = `.tmp/doc-blocks-${process.pid}`
const run = `.tmp/doc-tests-${process.pid}`
afterAll(() => {
  for (const folder of [compiled, run]) rmSync(folder, { recursive: true, force: true })
})

const documents = ['README.md', 'SECURITY.md', 'llms.txt', ...readdirSync('docs').map((name) => `docs/${name}`)].filter(
  (file) => /\.(md|txt)$/.test(file),
)
/** Its blocks are parts of examples, which are compiled themselves; a test of its own holds it to them. */
const excerpts = 'docs/patterns.md'

/** What a block that is no program takes for granted. */
const prelude = `
import type { Receiver } from 'cheqpoint-callback'
import express, { type Express } from 'express'
declare const app: Express
declare const receiver: Receiver
declare const findInInbox: (action: string, details: unknown) => Promise<string | null>
declare const submitElsewhere: (request: object) => Promise<string>
`
/** The store that a block imports in the place of its reader's own. */
const ownStore = `
import type { Store } from 'cheqpoint-callback'
export interface Schema { drop(): Promise<void> }
export declare const emptySchema: () => Promise<Schema>
export declare const myStore: (schema: Schema) => Store
`

interface Block {
  readonly document: string
  readonly name: string
  readonly code: string
}

function blocks(): readonly Block[] {
  return documents
    .filter((document) => document !== excerpts)
    .flatMap((document) =>
      ['ts', 'js'].flatMap((language) => codeBlocks(document, language).map((block) => ({ document, ...block }))),
    )
}

describe('the code in the documents', () => {
  it('is marked with a language that is looked at here', () => {
    const known = ['', 'ts', 'js', 'sh', 'console', 'json', 'text', 'ini']
    for (const document of documents) {
      const fences = [...readFileSync(document, 'utf8').matchAll(/^```(\S*)/gm)].map(([, language = '']) => language)
      expect(
        fences.filter((language) => !known.includes(language)),
        document,
      ).toEqual([])
    }
    expect(blocks().length).toBeGreaterThan(12)
  })

  it('compiles as strictly as the library itself', () => {
    mkdirSync(compiled, { recursive: true })
    writeFileSync(`${compiled}/my-store.ts`, ownStore)
    for (const { document, name, code } of blocks()) {
      const isProgram = /^import /m.test(code)
      const module = isProgram ? code : `${prelude}export async function example() {\n${code}}\n`
      writeFileSync(`${compiled}/${`${document} ${name}`.replaceAll(/[^a-z0-9]+/gi, '-')}.ts`, module)
    }
    compileFolder(compiled, { noEmit: true, noUnusedLocals: false, noImplicitReturns: false })
  })

  it('that is a test passes', () => {
    mkdirSync(run, { recursive: true })
    const tests = blocks().filter(({ name }) => name.endsWith('.test.ts') && name !== 'store/real.test.ts')
    expect(tests.map(({ name }) => name)).toEqual([
      'testing/handler.test.ts',
      'testing/receiver.test.ts',
      'testing/express.test.ts',
      'store/contract.test.ts',
    ])
    for (const { name, code } of tests) writeFileSync(`${run}/${name.replace('/', '-')}`, code)
    writeFileSync(`${run}/vitest.config.ts`, 'export default {}')
    const args = ['vitest', 'run', '--config', `${run}/vitest.config.ts`, '--root', '.', '--dir', run]
    const report = execFileSync('npx', [...args, '--reporter', 'json'], { encoding: 'utf8' })
    const { numTotalTestSuites, numPassedTests, numTotalTests } = JSON.parse(report)
    expect(numTotalTestSuites).toBeGreaterThanOrEqual(tests.length)
    expect(numPassedTests).toBe(numTotalTests)
    expect(numPassedTests).toBeGreaterThan(90)
  })
})
