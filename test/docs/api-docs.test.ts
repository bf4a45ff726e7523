import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const { exports: subpaths } = z
  .object({ exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string() })])) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

/** The source file of each subpath with declarations. */
const entries = Object.values(subpaths).flatMap((target) =>
  typeof target === 'string' ? [] : [target.types.replace('./dist/', '').replace('.d.ts', '.ts')],
)

interface Exported {
  readonly name: string
  /** Where it is declared. */
  readonly file: string
}

/** The exports of a module, followed to the files that declare them. */
function exportsOf(file: string): readonly Exported[] {
  const source = readFileSync(file, 'utf8')
  const target = (specifier: string): string => join(dirname(file), specifier.replace(/\.js$/, '.ts'))
  const all = [...source.matchAll(/^export \* from '([^']+)'/gm)].flatMap(([, from = '']) => exportsOf(target(from)))
  const named = [...source.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(
    ([, list = '', from = '']) =>
      list
        .split(',')
        .map((each) => each.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => ({ name, file: target(from) })),
  )
  const own = [...source.matchAll(/^export (?:async )?(?:function|class|const|interface|type) (\w+)/gm)]
  return [...all, ...named, ...own.map(([, name = '']) => ({ name, file }))]
}

/** The comment of a declaration; `null` if it has none, `undefined` if the name is not declared there. */
function commentOf({ name, file }: Exported): string | null | undefined {
  const declared = `^export (?:async )?(?:function|class|const|interface|type) ${name}\\b`
  const source = readFileSync(file, 'utf8')
  const at = source.search(new RegExp(declared, 'm'))
  if (at < 0) {
    // Re-exported from another file.
    const passed = exportsOf(file).find((each) => each.name === name && each.file !== file)
    return passed === undefined ? undefined : commentOf(passed)
  }
  const before = source.slice(0, at)
  return before.endsWith('*/\n') ? before.slice(before.lastIndexOf('/**')) : null
}

describe('the public API', () => {
  it('is found for each subpath', () => {
    expect(entries).toHaveLength(10)
    expect(exportsOf('src/index.ts').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['createReceiver', 'Receiver', 'Store', 'toResponse', 'memoryStore', 'CheqpointEvent']),
    )
    for (const entry of entries) expect(exportsOf(entry).length, entry).toBeGreaterThan(0)
  })

  it.each(entries)('has a doc comment on each name that %s exports', (entry) => {
    const bare = exportsOf(entry).filter((exported) => {
      const comment = commentOf(exported)
      expect(comment, `${exported.name} is declared in ${exported.file}`).not.toBeUndefined()
      return comment === null
    })
    expect(bare.map(({ name, file }) => `${name} in ${file}`)).toEqual([])
  })
})
