import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

/*
 * Recipes for frameworks whose packages are too large for `npm ci` of the project: each has its own lock file. Needs
 * the npm registry.
 */

function npm(folder: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: `test/integration/${folder}`, encoding: 'utf8' })
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

describe('the recipe for', () => {
  it.each([
    ['Next.js route handlers', 'next'],
    ['NestJS controllers', 'nest'],
  ])('%s compiles, handles a decision by its callback, and refuses an invalid callback', (_, folder) => {
    npm(folder, 'ci', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund')
    expect(npm(folder, 'test')).toContain('one decision handled by its callback')
  })
})
