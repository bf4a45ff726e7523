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

interface Names {
  readonly values: readonly string[]
  readonly types: readonly string[]
}

/** The names in the export lists of an index, group by group. */
function listedNames(file: string): Names {
  const lists = [...readFileSync(file, 'utf8').matchAll(/^export (type )?\{([^}]*)\} from /gm)]
  const all = lists.flatMap(([, isType, list = '']) =>
    list
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '')
      .map((each) => ({ isType: isType !== undefined || each.startsWith('type '), name: each.replace('type ', '') })),
  )
  const names = (of: boolean) => all.filter(({ isType }) => isType === of).map(({ name }) => name)
  return { values: names(false).sort(), types: names(true).sort() }
}

/** The public API: every change of this list is a change for users. */
const face: Names = {
  values: [
    'CheqpointError',
    'action',
    'createCallbackUrl',
    'createClient',
    'createReceiver',
    'errorCodes',
    'fromIncoming',
    'fromRequest',
    'isCheqpointError',
    'memoryStore',
    'register',
    'toResponse',
    'toWebResponse',
    'verifyAndResolve',
  ],
  types: [
    'Action',
    'ActionRules',
    'ApiApproval',
    'ApprovedDecision',
    'Callback',
    'CallbackResponse',
    'CallbackUrl',
    'CheqpointEvent',
    'Claim',
    'Client',
    'ClientOptions',
    'Clock',
    'Completed',
    'ConfirmedDecision',
    'Decision',
    'Entry',
    'ErrorCode',
    'EventListener',
    'FetchedApproval',
    'HandleOptions',
    'JsonObject',
    'JsonValue',
    'ListedEntry',
    'Outcome',
    'Page',
    'PageQuery',
    'ParkReason',
    'ParkedApproval',
    'Random',
    'Receiver',
    'ReceiverOptions',
    'ReconcileReport',
    'RefusedDecision',
    'Run',
    'StandardSchema',
    'Stats',
    'Store',
    'Stored',
    'Submission',
    'SubmitOptions',
    'SubmitRequest',
    'Tracked',
    'TypedReceiver',
    'UnconfirmedSubmission',
    'VerifiedDecision',
    'VerifyOptions',
  ],
}

describe('the package', () => {
  it('exports files that the build creates', () => {
    const files = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : [entry.types, entry.default],
    )
    expect(files.filter((file) => !existsSync(file))).toEqual([])
  })

  it('depends on four libraries, and lists others as optional peers', () => {
    expect(Object.keys(manifest.dependencies).sort()).toEqual(['lru-cache', 'tinyqueue', 'undici', 'zod'])
    expect(Object.keys(manifest.peerDependenciesMeta).sort()).toEqual(Object.keys(manifest.peerDependencies).sort())
  })

  it('has these public names in its index, at most 60 with types', () => {
    expect(listedNames('src/index.ts')).toEqual(face)
    expect(face.values.length + face.types.length).toBeLessThanOrEqual(60)
  })

  it('has only lists of names in its index, each group below its reason', () => {
    const source = readFileSync('src/index.ts', 'utf8').replace(/^\/\*[\s\S]*?\*\/\n/, '')
    for (const group of source.trim().split('\n\n')) {
      expect(group).toMatch(/^\/\/ [A-Z].*\.\nexport /)
      expect(group.replaceAll(/^\/\/.*$/gm, '')).not.toMatch(
        /export \*|export (default|const|function|class|interface)/,
      )
    }
  })

  it.each([
    ['cheqpoint-callback', face.values],
    ['cheqpoint-callback/express', ['expressCallback']],
    ['cheqpoint-callback/fastify', ['fastifyCallback']],
    ['cheqpoint-callback/hono', ['honoCallback']],
    ['cheqpoint-callback/opentelemetry', ['telemetry']],
    ['cheqpoint-callback/postgres', ['createTable', 'postgresStore', 'schemaSql']],
    ['cheqpoint-callback/redis', ['optionalCommands', 'redisStore', 'requiredCommands']],
    ['cheqpoint-callback/simulator', ['createSimulator']],
    ['cheqpoint-callback/sqlite', ['sqliteStore']],
    ['cheqpoint-callback/testing', ['fakeCallback', 'fakeDecision', 'fakeRun', 'storeContract']],
  ])('exports exactly these names from %s', async (subpath, names) => {
    expect(await exportedNames(subpath)).toEqual(names)
  })

  it('has exactly these subpaths', () => {
    const subpaths = [
      'express',
      'fastify',
      'hono',
      'opentelemetry',
      'postgres',
      'redis',
      'simulator',
      'sqlite',
      'testing',
      'package.json',
    ]
    expect(Object.keys(manifest.exports).sort()).toEqual(['.', ...subpaths.map((name) => `./${name}`)].sort())
  })
})
