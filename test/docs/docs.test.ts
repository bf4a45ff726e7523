import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  createClient,
  createReceiver,
  errorCodes,
  isCheqpointError,
  memoryStore,
  type Outcome,
  toResponse,
  verifyAndResolve,
} from '../../src/index.js'
import { optionalCommands, redisStore, requiredCommands } from '../../src/stores/redis/redis-store.js'
import { postgresStore } from '../../src/stores/sql/postgres-store.js'
import { quoted, tableRows } from '../support/blocks.js'

const reference = 'docs/reference.md'
const operating = 'docs/operating.md'

/** The known names that the error about an unknown name lists. */
function knownNames(give: (wrong: { readonly surprise: number }) => unknown): readonly string[] {
  try {
    give({ surprise: 1 })
  } catch (error) {
    if (isCheqpointError(error, 'option-unknown')) return error.message.split('known are: ')[1]?.split(', ') ?? []
  }
  throw new Error('an unknown option was accepted')
}

/** The known names of a group of receiver options. */
function knownOptions(group?: string): readonly string[] {
  return knownNames((wrong) =>
    createReceiver({ apiKey: 'k', onDecision() {}, ...(group === undefined ? wrong : { [group]: wrong }) }),
  )
}

/** The first word in backquotes of each row of a table. */
function firstWords(file: string, mark: string): readonly string[] {
  return tableRows(file, mark).flatMap(([cell = '']) => quoted(cell))
}

/** The words of a closed union in the source, from a line to the next line that begins with `end`. */
function unionOf(file: string, start: string, end: string, pattern: RegExp): readonly string[] {
  const part = readFileSync(file, 'utf8').split(start)[1]?.split(end)[0] ?? ''
  const words = [...part.matchAll(pattern)].map(([, word = '']) => word)
  expect(words.length).toBeGreaterThan(3)
  return words
}

describe('docs/errors.md', () => {
  it('has one row for each error code, and no other', () => {
    const documented = tableRows('docs/errors.md').flatMap(([code = '']) => quoted(code))
    expect([...documented].sort()).toEqual(Object.keys(errorCodes).sort())
  })
})

describe('docs/reference.md', () => {
  it('lists every option, and no other', () => {
    const groups = ['callbacks', 'confirm', 'polling', 'runs']
    const known = knownOptions().flatMap((name) =>
      groups.includes(name) ? knownOptions(name).map((each) => `${name}.${each}`) : [name],
    )
    expect([...firstWords(reference, 'options')].sort()).toEqual([...known].sort())
  })

  it('lists every option of redisStore, and no other', () => {
    const known = knownNames((wrong) => redisStore({ sendCommand: async () => null, ...wrong }))
    expect([...firstWords(reference, 'redis options')].sort()).toEqual([...known].sort())
  })

  it('lists every option of postgresStore, and no other', () => {
    const known = knownNames((wrong) => postgresStore({ query: async () => [], ...wrong }))
    expect([...firstWords(reference, 'postgres options')].sort()).toEqual([...known].sort())
  })

  it('lists every method of a receiver, and no other', () => {
    const methods = firstWords(reference, 'methods').filter((word) => /^\w+\(/.test(word))
    const names = methods.map((call) => call.split('(')[0])
    expect([...names].sort()).toEqual(Object.keys(createReceiver({ apiKey: 'k', onDecision() {} })).sort())
  })

  it('lists every export by its subpath, and no other', async () => {
    const modules = {
      'cheqpoint-callback': await import('../../src/index.js'),
      'cheqpoint-callback/express': await import('../../adapters/express.js'),
      'cheqpoint-callback/fastify': await import('../../adapters/fastify.js'),
      'cheqpoint-callback/hono': await import('../../adapters/hono.js'),
      'cheqpoint-callback/redis': await import('../../src/stores/redis/redis-store.js'),
      'cheqpoint-callback/sqlite': await import('../../src/stores/sql/sqlite-store.js'),
      'cheqpoint-callback/postgres': await import('../../src/stores/sql/postgres-store.js'),
      'cheqpoint-callback/opentelemetry': await import('../../src/opentelemetry/index.js'),
      'cheqpoint-callback/simulator': await import('../../src/simulator/index.js'),
      'cheqpoint-callback/testing': await import('../../src/testing/index.js'),
    }
    const exported = Object.entries(modules).flatMap(([from, module]) =>
      Object.keys(module).map((name) => `${name} from ${from}`),
    )
    let from = ''
    const documented = tableRows(reference, 'exports').flatMap(([subpath = '', calls = '']) => {
      from = quoted(subpath)[0] ?? from
      return quoted(calls).map((call) => `${call.split('(')[0]} from ${from}`)
    })
    expect([...documented].sort()).toEqual([...exported].sort())
  })

  it('shows the status of each response', () => {
    const rows = tableRows(reference, 'answers').flatMap(([names = '', swept = '', alone = '']) =>
      quoted(names.split('(')[0] ?? '').map((kind) => ({ kind, swept, alone })),
    )
    for (const { kind, swept, alone } of rows) {
      // A kind in the table that does not exist has no response, and fails here.
      const outcome = { kind, approvalId: 'req_1', retryAfterMs: 1_000 } as Outcome
      expect(toResponse(outcome, { swept: true }).status, kind).toBe(Number.parseInt(swept, 10))
      const last = alone.match(/\d{3}/g)?.at(-1)
      expect(toResponse(outcome, { swept: false }).status, kind).toBe(Number(last))
    }
    expect(rows.map(({ kind }) => kind)).toContain('handled')
  })

  it('lists every response in its table', () => {
    const rows = tableRows(reference, 'answers').flatMap(([names = '']) => quoted(names.split('(')[0] ?? ''))
    const source = readFileSync('src/http/responses.ts', 'utf8')
    const kinds = [...(source.split('= {\n')[1]?.split('\n}')[0] ?? '').matchAll(/^ {2}'?([a-z-]+)'?:/gm)].map(
      ([, kind = '']) => kind,
    )
    expect([...rows, 'completed'].sort()).toEqual([...kinds].sort())
  })
})

describe('docs/operating.md', () => {
  it('has a row for each event, and no other', () => {
    const types = unionOf('src/model/events.ts', 'export type CheqpointEvent =', '\nexport', /\btype: '([a-z-]+)'/g)
    expect([...firstWords(operating, 'events')].sort()).toEqual([...types].sort())
  })

  it('has a row for each reason of released, and no other', () => {
    const reasons = unionOf('src/model/events.ts', 'export type ReleaseReason =', '\n\n', /\| '([a-z-]+)'/g)
    expect([...firstWords(operating, 'release reasons')].sort()).toEqual([...reasons].sort())
  })

  it('has a row for each reason to park, and no other', () => {
    const reasons = unionOf('src/model/park-reason.ts', 'export const parkReasons =', '\n\n', / {2}'([a-z-]+)',/g)
    expect([...firstWords(operating, 'park reasons')].sort()).toEqual([...reasons].sort())
  })
})

describe('docs/concepts.md', () => {
  const picture = readFileSync('docs/images/pipeline.svg', 'utf8')

  it('explains each term, once', () => {
    const terms = [...readFileSync('docs/concepts.md', 'utf8').matchAll(/^\*\*([\w ]+)\.\*\*/gm)].map(
      ([, term]) => term,
    )
    expect(terms).toEqual([
      'Lease',
      'Fencing token',
      'Nudge',
      'Minimum interval',
      'Tombstone',
      'Park',
      'Orphaned submission',
    ])
  })

  it('shows each step in its picture, in the order of the text', () => {
    const steps = [...readFileSync('docs/concepts.md', 'utf8').matchAll(/^\d\. \*\*(\w+)\.\*\*/gm)]
    const drawn = [...picture.matchAll(/class="name"[^>]*>(\w+)</g)].map(([, name]) => name)
    expect(drawn).toEqual([...steps.map(([, step = '']) => step.toLowerCase()), 'store', 'sweep'])
  })

  it('has a self-contained picture with a dark mode', () => {
    expect(picture).not.toMatch(/<script|href=|@import|url\((?!#)/)
    expect(picture).toContain('prefers-color-scheme: dark')
    expect(picture).toMatch(/<title[^>]*>.+<\/title>/)
  })
})

describe('docs/stores.md', () => {
  it('lists the commands that a user of Redis needs, and no other', () => {
    const text = readFileSync('docs/stores.md', 'utf8')
    const part = text.split('<!-- redis commands -->')[1]?.split('<!-- /redis commands -->')[0] ?? ''
    const [required = '', optional = ''] = part.trim().split('\n\n')
    expect(quoted(required)).toEqual(requiredCommands)
    expect(quoted(optional)).toEqual(optionalCommands)
  })

  it('has a column for each store, under its name', () => {
    const [header = ''] = readFileSync('docs/stores.md', 'utf8').match(/^\| \|.*$/m) ?? []
    expect(quoted(header).map((call) => call.split('(')[0])).toEqual([
      'memoryStore',
      'sqliteStore',
      'postgresStore',
      'redisStore',
    ])
  })
})

describe('docs/core.md', () => {
  it('lists every option of verifyAndResolve, and no other', async () => {
    const wrong = { store: memoryStore(), client: createClient({ apiKey: 'k' }), surprise: 1 }
    const callback = new Request('http://localhost/')
    const refused: unknown = await verifyAndResolve(callback, wrong).catch((error: unknown) => error)
    const known = knownNames(() => {
      throw refused
    })
    const list = readFileSync('docs/core.md', 'utf8').split('## Options\n')[1] ?? ''
    const [own = '', others = ''] = list.split('- As for a receiver: ')
    const named = [...own.matchAll(/^- `(\w+)`:/gm)].map(([, name = '']) => name)
    expect([...named, ...quoted(others)].sort()).toEqual([...known].sort())
  })

  it('lists every public member of a claim', () => {
    const list = readFileSync('docs/core.md', 'utf8').split('## The claim')[1]?.split('## ')[0] ?? ''
    const named = [...list.matchAll(/^- ([^:]+):/gm)].flatMap(([, names = '']) => quoted(names))
    expect(named.map((call) => call.split('(')[0])).toEqual([
      ...['decision', 'idempotencyKey', 'attempt', 'fence', 'signal'],
      ...['complete', 'release', 'park', 'extend'],
    ])
  })
})

describe('docs/testing.md', () => {
  it('lists every option of fakeCallback, and no other', () => {
    const source = readFileSync('src/testing/fake-callback.ts', 'utf8')
    const options = [...source.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name)
    const [listed = ''] = /Options: [^.]*\./.exec(readFileSync('docs/testing.md', 'utf8')) ?? []
    const documented = quoted(listed).filter((word) => !word.startsWith("'"))
    expect([...documented].sort()).toEqual([...options].sort())
  })
})

describe('every document', () => {
  const files = ['README.md', 'SECURITY.md', 'llms.txt', ...readdirSync('docs').map((name) => `docs/${name}`)]
  const documents = files.filter((file) => /\.(md|txt)$/.test(file))

  it.each(documents)('%s links to files and headings that exist', (document) => {
    const text = readFileSync(document, 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    for (const link of links.filter((target) => !/^https?:/.test(target))) {
      const [path = '', heading] = link.split('#')
      const file = path === '' ? document : join(dirname(document), path)
      expect(existsSync(file), `${document}: ${link}`).toBe(true)
      if (heading !== undefined) expect(headings(file), `${document}: ${link}`).toContain(heading)
    }
  })

  it.each(documents)('%s links to nothing that the package lacks', (document) => {
    const { files: shipped } = z.object({ files: z.array(z.string()) }).parse(packageJson())
    const lacking = links(document).filter((target) => {
      const path = join(dirname(document), target)
      const ships = (each: string): boolean => path === each || path.startsWith(`${each}/`)
      return !shipped.some(ships) || shipped.some((each) => each.startsWith('!') && ships(each.slice(1)))
    })
    expect(lacking).toEqual([])
  })

  it('links from the package to this repository, and to files that exist', () => {
    const { homepage, bugs, repository } = z
      .object({ homepage: z.string(), bugs: z.string(), repository: z.object({ url: z.string() }) })
      .parse(packageJson())
    const home = repository.url.replace(/^git\+/, '').replace(/\.git$/, '')
    expect([homepage, bugs]).toEqual([`${home}#readme`, `${home}/issues`])
    const raw = home.replace('github.com', 'raw.githubusercontent.com')
    const ours = documents.flatMap((document) =>
      [...readFileSync(document, 'utf8').matchAll(/\]\((https:\/\/(?:raw\.)?github[^)\s]+)\)/g)].map(
        ([, url = '']) => url,
      ),
    )
    expect(ours.length).toBeGreaterThan(2)
    for (const url of ours) {
      const [, path = ''] =
        /^(?:(?:blob|tree)\/)?main\/(.+)$/.exec(url.replace(`${home}/`, '').replace(`${raw}/`, '')) ?? []
      expect(existsSync(path), url).toBe(true)
    }
  })

  it('is linked from the README, directly or not', () => {
    const linked = [...readFileSync('README.md', 'utf8').matchAll(/\]\(([^)\s#]+)\)/g)].map(([, target = '']) => target)
    expect(documents.filter((file) => file !== 'README.md' && !linked.includes(file))).toEqual([])
  })
})

describe('SECURITY.md', () => {
  const text = readFileSync('SECURITY.md', 'utf8')
  const manifest = z
    .object({
      files: z.array(z.string()),
      engines: z.object({ node: z.string() }),
      dependencies: z.record(z.string(), z.string()),
      peerDependencies: z.record(z.string(), z.string()),
    })
    .parse(JSON.parse(readFileSync('package.json', 'utf8')))

  it('is part of the package', () => {
    expect(manifest.files).toContain('SECURITY.md')
  })

  it('links to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target.split('#'))
    expect(links.length).toBeGreaterThan(0)
    for (const [file = '', heading] of links) {
      expect(existsSync(file), file).toBe(true)
      if (heading !== undefined) expect(headings(file)).toContain(heading)
    }
  })

  it('names no address and no other host for reports', () => {
    expect(text).not.toMatch(/https?:|mailto:|@[\w-]+\.[a-z]/)
  })

  it('shows exactly the ranges of the dependencies', () => {
    const documented = tableRows('SECURITY.md', 'floors').map(([name = '', range = '']) => [
      quoted(name)[0],
      quoted(range)[0],
    ])
    const declared = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
    expect(documented.sort()).toEqual(declared.sort())
    expect(text).toContain(`Node.js ${manifest.engines.node.replace('>=', '')} or newer`)
  })

  it('names options, events and methods that exist', () => {
    const receiver = createReceiver({ apiKey: 'k', onDecision() {} })
    const events = readFileSync('src/model/events.ts', 'utf8')
    for (const name of ['resolve', 'wait', 'submit', 'parked', 'unconfirmed']) expect(receiver).toHaveProperty(name)
    for (const option of [
      'callbackSecret',
      'callbackTokens',
      'retentionMs',
      'guarantee',
      'baseUrl',
      'onEvent',
      'dispatcher',
    ])
      expect(knownOptions()).toContain(option)
    for (const [, type] of text.matchAll(/`((?:[a-z]+-)+[a-z]+|mismatch|refused)`/g))
      if (!['lru-cache', 'body-parser', 'x-api-key'].includes(type ?? '')) expect(events).toContain(`'${type}'`)
  })
})

function packageJson(): unknown {
  return JSON.parse(readFileSync('package.json', 'utf8'))
}

/** Files that a document links to, each by its path from the document's own folder. */
function links(document: string): readonly string[] {
  const text = readFileSync(document, 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')
  const targets = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, target = '']) => target)
  return targets.filter((target) => !/^https?:/.test(target))
}

/** Anchors of the headings of a Markdown file. */
function headings(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8')
  const named = [...text.matchAll(/^<a id="([\w-]+)"><\/a>$/gm)].map(([, id = '']) => id)
  const lines = [...text.matchAll(/^#+ (.*)$/gm)]
  const titles = lines.map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  return [...named, ...titles]
}
