import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { tableRows } from '../support/blocks.js'

/*
 * Keeps docs/threat-model.md and the tests in sync: every threat has one row, every row names existing tests, and every
 * test for a threat is named in its row.
 */

interface Reference {
  readonly file: string
  /** `null` if the reference names cases instead. */
  readonly title: string | null
  /** Rows of table-driven tests, by name. */
  readonly cases: readonly string[]
}

interface Row {
  readonly id: string
  readonly shownBy: string
  readonly references: readonly Reference[]
}

const document = 'docs/threat-model.md'
const ids = Array.from({ length: 98 }, (_, at) => `T${String(at + 1).padStart(2, '0')}`)

const rows: readonly Row[] = tableRows(document)
  .filter(([id = '']) => /^T\d/.test(id))
  .map((cells) => {
    const shownBy = cells.at(-1) ?? ''
    const id = cells[0] ?? ''
    return { id, shownBy, references: readReferences(id, shownBy) }
  })

/**
 * References such as `test/a.test.ts`: title, or `test/a.test.ts`: *case*, *case*; one after the other. A file in
 * test/threats alone stands for each of its tests whose title begins with the id of the row, of which there must be
 * one.
 */
function readReferences(id: string, cell: string): readonly Reference[] {
  return cell
    .split(/(?=`test\/)/)
    .filter((part) => part.startsWith('`test/'))
    .flatMap((part) => {
      const whole = /^`(test\/threats\/[^`]+)`(?!:)/.exec(part)?.[1]
      if (whole !== undefined) return testsFor(id, whole)
      const [, file = '', text = ''] = /^`(test\/[^`]+)`: (.*)$/.exec(part) ?? []
      const cases = [...text.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => name)
      return [{ file, title: cases.length > 0 ? null : text.replace(/(?:\s|<br>)+$/, ''), cases }]
    })
}

/** The tests of a file for one threat; if there is none, a reference that fails. */
function testsFor(id: string, file: string): readonly Reference[] {
  const titles = existsSync(file) ? titlesIn(file).filter((title) => title.startsWith(`${id}: `)) : []
  return (titles.length === 0 ? [`${id}: a test`] : titles).map((title) => ({ file, title, cases: [] }))
}

/** Titles of the tests in a file, as in its source. */
function titlesIn(file: string): readonly string[] {
  const calls = readFileSync(file, 'utf8').matchAll(/(?:\b(?:it|test)(?:\.\w+)*|\))\(\s*(['"`])((?:\\.|(?!\1).)*)\1,/g)
  return [...calls].map(([, quote = '', title = '']) => title.replaceAll(`\\${quote}`, quote))
}

/** The text of a file and of test/support, which contains the names of table-driven cases. */
function textAround(file: string): string {
  const support = readdirSync('test/support').filter((name) => name.endsWith('.ts'))
  return [file, ...support.map((name) => `test/support/${name}`)].map((name) => readFileSync(name, 'utf8')).join('\n')
}

const written = readdirSync('test/threats')
  .filter((name) => name.endsWith('.test.ts'))
  .flatMap((name) => titlesIn(`test/threats/${name}`).map((title) => ({ file: `test/threats/${name}`, title })))
  .filter(({ title }) => /^T\d\d: /.test(title))

describe(document, () => {
  it.each(ids)('has one row for %s, with a test or a reason why not', (id) => {
    const found = rows.filter((row) => row.id === id)
    expect(found.map(({ shownBy, references }) => references.length > 0 || /out of scope/i.test(shownBy))).toEqual([
      true,
    ])
  })

  it('has no row for anything else', () => {
    expect(rows.map(({ id }) => id).filter((id) => !ids.includes(id))).toEqual([])
  })

  it.each(rows.map((row) => [row.id, row] as const))('names tests for %s that exist', (_, { references }) => {
    for (const { file, title, cases } of references) {
      expect(existsSync(file), file).toBe(true)
      if (title !== null) expect(titlesIn(file)).toContain(title)
      const text = textAround(file)
      expect(
        cases.filter((name) => !text.includes(name)),
        file,
      ).toEqual([])
    }
  })

  it.each(written.map(({ file, title }) => [title, file] as const))('names the test "%s"', (title, file) => {
    const row = rows.find(({ id }) => id === title.slice(0, 3))
    expect(row?.references.map((each) => `${each.file}: ${each.title}`)).toContain(`${file}: ${title}`)
  })

  it('finds the titles of all kinds of tests', () => {
    expect(titlesIn('test/hosts/adapters.test.ts')).toContain('gives the response of the table to %s')
    expect(written.length).toBeGreaterThan(50)
  })
})
