import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { quoted, tableRows } from '../support/blocks.js'

const { version, scripts } = z
  .object({ version: z.string(), scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

describe('CONTRIBUTING.md', () => {
  const text = readFileSync('CONTRIBUTING.md', 'utf8')

  it('lists every script of the package, and no other', () => {
    const listed = tableRows('CONTRIBUTING.md', 'scripts').flatMap(([name = '']) => quoted(name))
    expect([...listed].sort()).toEqual(Object.keys(scripts).sort())
  })

  it('lists every lane, and whether it belongs to the fast one', () => {
    const listed = tableRows('CONTRIBUTING.md', 'lanes').map(([name = '', , fast = '']) => [
      quoted(name)[0],
      fast === 'yes',
    ])
    const folders = readdirSync('test', { withFileTypes: true })
      .filter((each) => each.isDirectory())
      .map(({ name }) => name)
    const isFast = (name: string): boolean => scripts['test']?.split(' ').includes(`--project=${name}`) === true
    const lanes = folders.filter((name) => name !== 'support')
    expect(listed.sort()).toEqual(lanes.sort().map((name) => [name, isFast(name)]))
  })

  it('names files that exist', () => {
    const named = [
      ...[...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = '']) => target),
      ...[...text.matchAll(/(?:docs|test|src|\.ci)\/[\w/.-]*\w/g)].map(([path]) => path),
    ]
    expect(named.length).toBeGreaterThan(8)
    expect(named.filter((path) => !existsSync(path))).toEqual([])
  })

  it('lists every source folder in import order, from the top down', () => {
    const listed = tableRows('CONTRIBUTING.md', 'folders').flatMap(([cell = '']) => quoted(cell))
    const beside = ['simulator/', 'testing/', 'cli/', 'opentelemetry/']
    const folders = readdirSync('src', { withFileTypes: true }).filter((each) => each.isDirectory())
    const names = folders.map(({ name }) => `${name}/`).filter((name) => !beside.includes(name))
    expect([...listed].sort()).toEqual(names.sort())
  })

  it('follows a callback in ten steps, one file each', () => {
    const path = text.split('<!-- path -->')[1]?.split('<!-- /path -->')[0] ?? ''
    const steps = [...path.matchAll(/^(\d+)\. \[[\w.-]+\]\(([^)]+)\)/gm)]
    expect(steps.map(([, step]) => step)).toEqual(Array.from({ length: 10 }, (_, at) => String(at + 1)))
    expect(new Set(steps.map(([, , file]) => file)).size).toBe(10)
  })

  it('links each box of the picture to its file', () => {
    const picture = readFileSync('docs/images/pipeline.svg', 'utf8')
    const drawn = [...picture.matchAll(/class="name"[^>]*>(\w+)</g)].map(([, name]) => name)
    const part = text.split('<!-- boxes -->')[1]?.split('<!-- /boxes -->')[0] ?? ''
    const [names = [], , files = []] = part
      .trim()
      .split('\n')
      .map((line) => line.split('|').slice(1, -1))
    expect(names.map((name) => name.trim())).toEqual(drawn)
    expect(files.filter((cell) => /\]\([\w/.-]+\.ts\)/.test(cell))).toHaveLength(drawn.length)
  })

  it('shows options that the long runs accept', () => {
    for (const [run = '', part = ''] of tableRows('CONTRIBUTING.md', 'runs')) {
      const file = /dist\/(test\/[\w/]+)\.js/.exec(scripts[quoted(run)[0]?.replace('npm run ', '') ?? ''] ?? '')?.[1]
      const source = readFileSync(`${file}.ts`, 'utf8')
      const options = [...part.matchAll(/--([a-z][\w-]*)/g)].map(([, name]) => name)
      expect(options.length).toBeGreaterThan(0)
      for (const option of options) expect(source, `${run} --${option}`).toMatch(new RegExp(`'?${option}'?: \\{ type:`))
    }
  })
})

describe('CHANGELOG.md', () => {
  it('starts with an entry for the version of the package', () => {
    const [first] = readFileSync('CHANGELOG.md', 'utf8').match(/^## .*$/m) ?? []
    const date = first?.split(' - ')[1]
    expect(first).toBe(`## [${version}] - ${date}`)
    expect(date).toMatch(/^(unreleased|\d{4}-\d{2}-\d{2})$/)
  })
})
