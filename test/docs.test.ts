import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
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
