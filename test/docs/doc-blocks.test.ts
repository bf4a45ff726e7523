import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { storeContract } from '../../src/testing/index.js'
import { codeBlocks } from '../support/blocks.js'
import { compileFolder } from '../support/programs.js'

// Inside the project, so that the code imports the built package by its name.
const compiled = `.tmp/doc-blocks-${process.pid}`
const run = `.tmp/doc-tests-${process.pid}`
afterAll(() => {
  for (const folder of [compiled, run]) rmSync(folder, { recursive: true, force: true })
})

const documents = ['README.md', 'SECURITY.md', 'llms.txt', ...readdirSync('docs').map((name) => `docs/${name}`)].filter(
  (file) => /\.(md|txt)$/.test(file),
)
/** Their blocks are parts of compiled examples; tests compare the two. */
const excerpts: readonly string[] = ['docs/patterns.md', 'docs/agents.md', 'docs/exactly-once.md']
/** A store that another block of the page imports. */
const ownStore = 'store/my-store.ts'

/** Declarations for blocks that are not programs. */
const prelude = `
import type { Claim, TypedReceiver } from 'cheqpoint-callback'
import express, { type Express } from 'express'
declare const app: Express
declare const receiver: TypedReceiver
declare const claim: Claim
declare const work: (decision: unknown, key: string) => Promise<void>
declare const findInInbox: (action: string, details: unknown) => Promise<string | null>
declare const submitElsewhere: (request: object) => Promise<string>
`

interface Block {
  readonly document: string
  readonly name: string
  readonly code: string
}

function blocks(): readonly Block[] {
  return documents
    .filter((document) => !excerpts.includes(document))
    .flatMap((document) =>
      ['ts', 'js'].flatMap((language) => codeBlocks(document, language).map((block) => ({ document, ...block }))),
    )
}

describe('the code in the documents', () => {
  it('is marked with a language that this test knows', () => {
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
    for (const { document, name, code } of blocks()) {
      const isProgram = /^import /m.test(code)
      const module = isProgram ? code : `${prelude}export async function example() {\n${code}}\n`
      const file = name === ownStore ? 'my-store' : `${document} ${name}`.replaceAll(/[^a-z0-9]+/gi, '-')
      writeFileSync(`${compiled}/${file}.ts`, module)
    }
    compileFolder(compiled, { noEmit: true, noUnusedLocals: false, noImplicitReturns: false })
  })

  it('passes if it is a test', () => {
    mkdirSync(run, { recursive: true })
    const tests = blocks().filter(({ name }) => name.endsWith('.test.ts'))
    expect(tests.map(({ name }) => name)).toEqual([
      'testing/handler.test.ts',
      'testing/receiver.test.ts',
      'testing/express.test.ts',
      'store/contract.test.ts',
    ])
    for (const { name, code } of tests) writeFileSync(`${run}/${name.replace('/', '-')}`, code)
    const store = blocks().find(({ name }) => name === ownStore)
    writeFileSync(`${run}/my-store.ts`, store?.code ?? '')
    writeFileSync(`${run}/vitest.config.ts`, 'export default {}')
    const args = ['vitest', 'run', '--config', `${run}/vitest.config.ts`, '--root', '.', '--dir', run]
    const report = execFileSync('npx', [...args, '--reporter', 'json'], { encoding: 'utf8' })
    const { numTotalTestSuites, numPassedTests, numTotalTests } = JSON.parse(report)
    expect(numTotalTestSuites).toBeGreaterThanOrEqual(tests.length)
    expect(numPassedTests).toBe(numTotalTests)
    const cases = storeContract({ create: async () => ({ store: memoryStore() }) })
    expect(numPassedTests).toBeGreaterThan(cases.length)
  })
})
