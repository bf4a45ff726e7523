import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { codeBlocks } from '../../support/blocks.js'
import { describeInstalled } from '../../support/installed.js'

/* The commands of docs/runtimes.md, on a small app. Each bundle runs in a folder that has no packages. */

const commands = codeBlocks('docs/runtimes.md', 'sh').filter(({ name }) => name !== 'deno')

describeInstalled('bundlers', (folder) => {
  beforeAll(() => cpSync('dist/test/integration/bundlers/app.js', join(folder, 'app.js')))

  it.each(commands.map(({ name, code }) => [name, code] as const))('%s creates a bundle that runs', (_, command) => {
    const out = join(folder, 'out')
    rmSync(out, { recursive: true, force: true })
    execFileSync('sh', ['-c', command], { cwd: folder, stdio: 'pipe' })
    const bare = mkdtempSync(join(tmpdir(), 'cheqpoint-bundle-'))
    onTestFinished(() => rmSync(bare, { recursive: true, force: true }))
    cpSync(out, bare, { recursive: true })
    const [main = ''] = readdirSync(bare).filter((name) => /^app\.[cm]js$/.test(name))
    expect(execFileSync(process.execPath, [main], { cwd: bare, encoding: 'utf8' })).toBe('undici\n')
  })

  it('each documented bundler is tested', () => {
    expect(commands.map(({ name }) => name)).toEqual(['esbuild', 'rolldown', 'webpack'])
  })
})
