import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

/*
 * What each folder of src/ may import, itself aside. Arrows run down, and a folder that is not listed is refused.
 * `index.ts` stands for the public names.
 */
const below = ['pipeline', 'approvals', 'cheqpoint', 'stores', 'options', 'model', 'util']
const layers: Readonly<Record<string, readonly string[]>> = {
  'index.ts': ['receiver', 'http', 'submit', 'sweep', ...below],
  receiver: ['http', 'submit', 'sweep', ...below],
  http: below,
  submit: below,
  sweep: below,
  ...Object.fromEntries(below.map((folder, at) => [folder, below.slice(at + 1)])),
  simulator: ['options', 'model', 'util'],
  testing: ['index.ts'],
  opentelemetry: ['options', 'model'],
  cli: ['index.ts', 'simulator', 'approvals', 'stores', 'util'],
}

/** What the library itself may use: Node, and the dependencies that come with it. */
const dependencies = /^(node:[\w/]+|undici|zod|lru-cache|tinyqueue)$/
/** What a subpath may use besides. */
const peers: Readonly<Record<string, string>> = { opentelemetry: '@opentelemetry/api' }

/** What a file imports, of types too, however it is written: files as paths, packages by name. Comments do not count. */
function importsOf(path: string, text: string): readonly string[] {
  const code = text.replaceAll(/^ *(?:\/\*|\*|\/\/).*$/gm, '')
  const statement = /(?:^|;) *(?:import\b[^'"`;=(]*|export\b[^'"`;=(]*\bfrom *)['"]([^'"]+)['"]/gm
  const call = /\bimport\(\s*['"`]([^'"`]+)['"`]/g
  const specifiers = [...code.matchAll(statement), ...code.matchAll(call)]
  return specifiers.map(([, specifier = '']) =>
    specifier.startsWith('.') ? normalize(join(path, '..', specifier)).replace(/\.js$/, '.ts') : specifier,
  )
}

/** What a tree of sources, by path, does that it must not. */
function faultsOf(tree: ReadonlyMap<string, string>): readonly string[] {
  const faults: string[] = []
  const seen = new Map<string, 'open' | 'closed'>()
  const visit = (path: string, way: readonly string[]): void => {
    if (seen.get(path) === 'open') faults.push(`cycle: ${[...way.slice(way.indexOf(path)), path].join(' → ')}`)
    if (seen.has(path)) return
    seen.set(path, 'open')
    const [root = '', from = ''] = path.split('/')
    const text = tree.get(path) ?? ''
    if (root === 'src' && layers[from] === undefined) faults.push(`${path} is in a folder without a layer`)
    // The command line connects to stores by itself.
    const mayServe = root === 'adapters' || from === 'cli'
    for (const target of importsOf(path, text)) {
      if (!target.endsWith('.ts')) {
        if (!mayServe && !dependencies.test(target) && target !== peers[from]) faults.push(`${path} imports ${target}`)
        continue
      }
      const [toRoot, to = ''] = target.split('/')
      const allowed = root === 'adapters' ? target === 'src/index.ts' : to === from || layers[from]?.includes(to)
      if (toRoot !== 'src' || allowed !== true) faults.push(`${path} imports ${target}`)
      visit(target, [...way, path])
    }
    seen.set(path, 'closed')
  }
  for (const path of tree.keys()) visit(path, [])
  return faults
}

const tree: ReadonlyMap<string, string> = new Map(
  ['src', 'adapters'].flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [join(root, name), readFileSync(join(root, name), 'utf8')] as const),
  ),
)

describe('the layers of the source', () => {
  it('import downwards alone, without cycles, and know no framework and no database client', () => {
    expect(faultsOf(tree)).toEqual([])
  })

  it.each([
    ['a folder that is not listed', 'src/helpers/any.ts', '', 'src/helpers/any.ts is in a folder without a layer'],
    [
      'an upward import of a type',
      'src/util/any.ts',
      "import type { Receiver } from '../receiver/receiver-types.js'",
      'src/util/any.ts imports src/receiver/receiver-types.ts',
    ],
    [
      'a cycle of types within a folder',
      'src/util/any.ts',
      "import type { Any } from './any.js'",
      'cycle: src/util/any.ts → src/util/any.ts',
    ],
    ['a framework', 'src/http/any.ts', "import express from 'express'", 'src/http/any.ts imports express'],
    [
      'a peer elsewhere',
      'src/http/any.ts',
      "import '@opentelemetry/api'",
      'src/http/any.ts imports @opentelemetry/api',
    ],
    ['a framework for its effects', 'src/http/any.ts', "import 'express'", 'src/http/any.ts imports express'],
    ['a framework at run time', 'src/http/any.ts', "await import('hono')", 'src/http/any.ts imports hono'],
    ['one before other code', 'src/http/any.ts', 'import e from "express"; e()', 'src/http/any.ts imports express'],
    [
      'an adapter that reaches past the public names',
      'adapters/any.ts',
      "import { readBody } from '../src/http/body.js'",
      'adapters/any.ts imports src/http/body.ts',
    ],
  ])('refuse %s', (_, path, text, fault) => {
    expect(faultsOf(new Map([...tree, [path, text]]))).toEqual([fault])
  })
})
