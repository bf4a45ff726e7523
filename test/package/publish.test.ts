import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const dated = '# Changelog\n\n## [1.2.3] - 2026-04-01\n\n- A thing\n'
let root: string

/** A repository with the script, passing checks, and an `npm` that only prints its arguments. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cheqpoint-publish-'))
  mkdirSync(join(root, '.ci'))
  mkdirSync(join(root, 'bin'))
  copyFileSync('.ci/publish', join(root, '.ci/publish'))
  write('.ci/run', '#!/usr/bin/env bash\necho checked\n', 0o755)
  write('bin/npm', '#!/usr/bin/env bash\necho "npm $*"\n', 0o755)
  write('package.json', '{ "version": "1.2.3" }\n')
  write('CHANGELOG.md', dated)
  git('init', '--quiet')
  commit()
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(file: string, text: string, mode = 0o644): void {
  writeFileSync(join(root, file), text, { mode })
}

function git(...args: string[]): void {
  const who = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false']
  execFileSync('git', [...who, ...args], { cwd: root, stdio: 'ignore' })
}

function commit(): void {
  git('add', '--all')
  git('commit', '--quiet', '--message', 'State')
}

function publish(...args: string[]): { readonly status: number | null; readonly said: string } {
  const env = { ...process.env, PATH: `${join(root, 'bin')}:${process.env['PATH']}` }
  const { status, stdout, stderr } = spawnSync(join(root, '.ci/publish'), args, { env, encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

describe('.ci/publish', () => {
  it('publishes with provenance after the checks', () => {
    expect(publish()).toEqual({ status: 0, said: 'checked\nnpm publish --provenance --access public\n' })
  })

  it('passes on --dry-run, and accepts no other argument', () => {
    expect(publish('--dry-run').said).toBe('checked\nnpm publish --provenance --access public --dry-run\n')
    expect(publish('--tag', 'next')).toEqual({ status: 1, said: 'publish: known is --dry-run only, not --tag\n' })
  })

  it('refuses a work tree with changes, before and after the checks', () => {
    write('new.txt', 'x')
    const before = publish()
    expect(before).toEqual({ status: 1, said: 'publish: the work tree has changes that are not committed\n' })
    write('.ci/run', '#!/usr/bin/env bash\necho checked\necho more >> new.txt\n', 0o755)
    commit()
    expect(publish()).toMatchObject({ status: 1, said: expect.stringMatching(/^checked\n.*after the checks\n$/) })
  })

  it('refuses a version without an entry in the changelog', () => {
    write('CHANGELOG.md', dated.replace('1.2.3', '1.2.30'))
    commit()
    expect(publish()).toEqual({ status: 1, said: 'publish: CHANGELOG.md has no entry ## [1.2.3]\n' })
  })

  it('refuses an entry without a date, except for a dry run', () => {
    write('CHANGELOG.md', dated.replace('2026-04-01', 'unreleased'))
    commit()
    expect(publish()).toEqual({
      status: 1,
      said: 'publish: CHANGELOG.md gives 1.2.3 no date: ## [1.2.3] - YYYY-MM-DD\n',
    })
    expect(publish('--dry-run').status).toBe(0)
  })

  it('publishes nothing if a check fails', () => {
    write('.ci/run', '#!/usr/bin/env bash\nexit 3\n', 0o755)
    commit()
    expect(publish()).toEqual({ status: 3, said: '' })
  })
})
