import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { codeBlocks, quoted, tableRows } from '../support/blocks.js'

// Inside the project, so that the code finds the package by its name, as it was built.
const folder = `.tmp/runtimes-${process.pid}`
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('docs/runtimes.md', () => {
  it('has a row for each check that the runtimes are put to, and no other', () => {
    const program = readFileSync('test/long/runtimes/program.ts', 'utf8').split('const checks:')[1] ?? ''
    const checks = [...program.matchAll(/^ {2}'?([\w., ]+?)'?: (?:async )?\(\) =>/gm)].map(([, name]) => name)
    const documented = tableRows('docs/runtimes.md', 'runtimes').flatMap(([name = '']) => quoted(name))
    expect(documented).toEqual([...checks, 'ends by itself'])
  })

  it('shows code that compiles', () => {
    mkdirSync(folder, { recursive: true })
    const compilerOptions = { noEmit: true, isolatedDeclarations: false, declaration: false, rootDir: '../..' }
    const extended = { ...compilerOptions, noPropertyAccessFromIndexSignature: false }
    writeFileSync(
      `${folder}/tsconfig.json`,
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: extended, include: ['*.ts'] }),
    )
    const blocks = codeBlocks('docs/runtimes.md', 'ts')
    expect(blocks).toHaveLength(1)
    for (const { name, code } of blocks) writeFileSync(`${folder}/${name}.ts`, code)
    expect(execFileSync('npx', ['tsc', '-p', folder], { encoding: 'utf8' })).toBe('')
  })
})
