import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createReceiver, errorCodes, isCheqpointError, type Outcome, toAnswer } from '../src/index.js'
import { quoted, tableRows } from './support/blocks.js'

/** Names that a group of options knows, as the error for an unknown one lists them. */
function knownOptions(group?: string): readonly string[] {
  const wrong = { surprise: 1 }
  try {
    createReceiver({ apiKey: 'k', onDecision() {}, ...(group === undefined ? wrong : { [group]: wrong }) })
  } catch (error) {
    if (isCheqpointError(error, 'option-unknown')) return error.message.split('known are: ')[1]?.split(', ') ?? []
  }
  throw new Error('an unknown option was taken')
}

describe('docs/errors.md', () => {
  it('has one row for each error code, and no other', () => {
    const documented = tableRows('docs/errors.md').flatMap(([code = '']) => quoted(code))
    expect([...documented].sort()).toEqual(Object.keys(errorCodes).sort())
  })
})

describe('the README', () => {
  it('lists every option, and no other', () => {
    const groups = ['callbacks', 'confirm', 'polling', 'runs']
    const known = knownOptions().flatMap((name) =>
      groups.includes(name) ? knownOptions(name).map((each) => `${name}.${each}`) : [name],
    )
    const documented = tableRows('README.md', 'options').flatMap(([name = '']) => quoted(name))
    expect([...documented].sort()).toEqual([...known].sort())
  })

  it('shows each answer with the status that is given', () => {
    const rows = tableRows('README.md', 'answers').flatMap(([names = '', swept = '', alone = '']) =>
      quoted(names.split('(')[0] ?? '').map((kind) => ({ kind, swept, alone })),
    )
    for (const { kind, swept, alone } of rows) {
      // The table names kinds as users read them; a kind that does not exist has no answer, and fails here.
      const outcome = { kind, approvalId: 'req_1', retryAfterMs: 1_000 } as Outcome
      expect(toAnswer(outcome, { swept: true }).status, kind).toBe(Number.parseInt(swept, 10))
      const last = alone.match(/\d{3}/g)?.at(-1)
      expect(toAnswer(outcome, { swept: false }).status, kind).toBe(Number(last))
    }
    expect(rows.map(({ kind }) => kind)).toContain('handled')
  })

  it('links to files that exist', () => {
    const links = [...readFileSync('README.md', 'utf8').matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = '']) => target)
    expect(links.filter((target) => !existsSync(target))).toEqual([])
  })

  it('says in its table all that can be answered', () => {
    const rows = tableRows('README.md', 'answers').flatMap(([names = '']) => quoted(names.split('(')[0] ?? ''))
    const source = readFileSync('src/outcome.ts', 'utf8')
    const kinds = [...(source.split('= {\n')[1]?.split('\n}')[0] ?? '').matchAll(/^ {2}'?([a-z-]+)'?:/gm)].map(
      ([, kind = '']) => kind,
    )
    expect([...rows, 'done'].sort()).toEqual([...kinds].sort())
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

  it('comes with the package', () => {
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

  it('names no address and no other host to report to', () => {
    expect(text).not.toMatch(/https?:|mailto:|@[\w-]+\.[a-z]/)
  })

  it('shows each range of a dependency as it is, and no other', () => {
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
    const events = readFileSync('src/events.ts', 'utf8')
    for (const name of ['resolve', 'wait', 'submit', 'parked', 'unbound']) expect(receiver).toHaveProperty(name)
    for (const option of ['callbackSecret', 'adopt', 'retentionMs', 'guarantee', 'baseUrl', 'onEvent', 'dispatcher'])
      expect(knownOptions()).toContain(option)
    for (const [, type] of text.matchAll(/`((?:[a-z]+-)+[a-z]+|mismatch|refused)`/g))
      if (!['lru-cache', 'body-parser', 'x-api-key'].includes(type ?? '')) expect(events).toContain(`'${type}'`)
  })
})

/** Anchors of the headings of a Markdown file. */
function headings(file: string): readonly string[] {
  const lines = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)]
  return lines.map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}
