import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

/** Prints the URL of each loaded module before it runs. */
const hooks = 'export const load = (url, context, next) => (process._rawDebug(url), next(url, context))'

/** The packages whose modules are loaded by an import of this built subpath. */
function packagesOf(specifier: string): readonly string[] {
  const watched = `data:text/javascript,${encodeURIComponent(hooks)}`
  const code = `import { register } from 'node:module'; register('${watched}'); await import('${specifier}')`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, expect.stringContaining('/dist/')])
  const names = stderr.split('\n').flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [])
  return [...new Set(names)].toSorted()
}

describe('an import', () => {
  it.each([
    ['', ['lru-cache', 'tinyqueue', 'zod']],
    ['/express', ['lru-cache', 'tinyqueue', 'zod']],
    ['/hono', ['lru-cache', 'tinyqueue', 'zod']],
    ['/postgres', []],
    ['/redis', []],
    ['/simulator', []],
    ['/sqlite', []],
    ['/testing', ['lru-cache', 'tinyqueue', 'zod']],
  ])('of cheqpoint-callback%s loads no undici, no framework and no client of a store', (subpath, packages) => {
    expect(packagesOf(`cheqpoint-callback${subpath}`)).toEqual(packages)
  })

  it('of undici itself is detected', () => {
    expect(packagesOf('./dist/src/cli/exchange.js')).toContain('undici')
  })
})
