import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { quoted, tableRows } from '../support/blocks.js'

/** The names of the checks in a file. */
function checksOf(file: string): readonly string[] {
  const text = readFileSync(`test/integration/runtimes/${file}.ts`, 'utf8')
  return [...text.matchAll(/^ +(?:\.\.\.\(\w+ && \{ )?'?([\w., ]+?)'?: (?:async )?\(\) =>/gm)].map(
    ([, name = '']) => name,
  )
}

describe('docs/runtimes.md', () => {
  it('has exactly one row for each check of the runtimes', () => {
    const checks = [...checksOf('checks'), ...checksOf('program'), 'ends by itself']
    expect(tableRows('docs/runtimes.md', 'runtimes').flatMap(([name = '']) => quoted(name))).toEqual(checks)
  })

  it('names the versions that the tests install', () => {
    const { dependencies } = JSON.parse(readFileSync('test/integration/runtimes/project/package.json', 'utf8'))
    const [head = ''] = /^\| check .*$/m.exec(readFileSync('docs/runtimes.md', 'utf8')) ?? []
    expect(head).toContain(` Deno ${dependencies.deno} | Bun ${dependencies.bun} | workerd ${dependencies.workerd} |`)
  })
})
