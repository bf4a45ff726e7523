import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const manifest = z
  .object({
    exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })])),
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
    peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.literal(true) })),
  })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

async function exportedNames(subpath: string): Promise<readonly string[]> {
  const module: Record<string, unknown> = await import(subpath)
  return Object.keys(module).sort()
}

describe('the package', () => {
  it('exports files that the build made', () => {
    const files = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : [entry.types, entry.default],
    )
    expect(files.filter((file) => !existsSync(file))).toEqual([])
  })

  it('depends on four libraries, and on others only where they are wanted', () => {
    expect(Object.keys(manifest.dependencies).sort()).toEqual(['lru-cache', 'tinyqueue', 'undici', 'zod'])
    expect(Object.keys(manifest.peerDependenciesMeta).sort()).toEqual(Object.keys(manifest.peerDependencies).sort())
  })

  it.each([
    [
      'cheqpoint-callback',
      [
        'CheqpointError',
        'createClient',
        'createReceiver',
        'errorCodes',
        'fromIncoming',
        'fromRequest',
        'isCheqpointError',
        'maxCandidates',
        'memoryStore',
        'quickPolls',
        'toResponse',
        'toWebResponse',
        'verifyAndResolve',
      ],
    ],
    ['cheqpoint-callback/express', ['expressCallback']],
    ['cheqpoint-callback/hono', ['honoCallback']],
    ['cheqpoint-callback/redis', ['redisStore']],
    ['cheqpoint-callback/simulator', ['createSimulator']],
    ['cheqpoint-callback/testing', ['fakeCallback', 'storeContract']],
  ])('exports from %s what it promises, and nothing else', async (subpath, names) => {
    expect(await exportedNames(subpath)).toEqual(names)
  })
})
