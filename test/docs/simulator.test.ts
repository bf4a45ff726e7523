import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSimulator } from '../../src/simulator/index.js'
import { codeBlocks } from '../support/blocks.js'

const file = 'docs/simulator.md'

describe('docs/simulator.md', () => {
  it('starts a simulator as described, which serves the page', async () => {
    const folder = `.tmp/simulator-doc-${process.pid}`
    mkdirSync(folder, { recursive: true })
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const code = codeBlocks(file, 'ts').find(({ name }) => name === 'simulator/start')?.code ?? ''
    expect(code).toContain('listen(4010)')
    // Any free port, so that the test needs none in particular.
    writeFileSync(`${folder}/main.ts`, code.replace('listen(4010)', 'listen()'))
    const compilerOptions = { rootDir: '.', outDir: '.', isolatedDeclarations: false, declaration: false }
    const config = { extends: '../../tsconfig.json', compilerOptions, include: ['main.ts'] }
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config))
    execFileSync('npx', ['tsc', '-p', folder], { stdio: 'inherit' })
    const child = spawn(process.execPath, [`${folder}/main.js`], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill())
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    const [, url = ''] = /^Decide at (http:\S+)$/.exec(String(line)) ?? []
    expect(await (await fetch(url)).text()).toContain('<title>Cheqpoint simulator</title>')
  })

  it('has exactly one line for each fault, with its value for no fault', async () => {
    const { faults } = await createSimulator({ apiKey: 'cq_live_docs' })
    const [, list = ''] = readFileSync(file, 'utf8').split(/<!-- \/?faults -->/)
    const rows = [...list.matchAll(/^- `(\w+)` \(`(\w+)`\): /gm)].map(([, name, none]) => [name, none])
    expect(rows).toEqual(Object.entries(faults).map(([name, none]) => [name, String(none)]))
  })

  it('has a line for each method of a simulator', async () => {
    const simulator = await createSimulator({ apiKey: 'cq_live_docs' })
    const rows = readFileSync(file, 'utf8')
      .match(/^- `\w+\(/gm)
      ?.map((start) => start.slice(3, -1))
    const methods = Object.entries(simulator).filter(([, value]) => typeof value === 'function')
    const names = methods.map(([name]) => name)
    expect([...(rows ?? [])].sort()).toEqual(['createSimulator', ...names].sort())
  })

  it('shows pictures and links to files that exist', () => {
    const targets = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target = '']) => target)
    const links = targets.map((target) => target.replace(/^https:.*\/main\/docs\//, ''))
    expect(links.filter((link) => link.endsWith('.png'))).toHaveLength(3)
    expect(links.filter((target) => !existsSync(`docs/${target}`))).toEqual([])
  })
})
