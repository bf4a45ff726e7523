import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe } from 'vitest'

/**
 * A `describe` with the packages of `test/integration/NAME/project/`, installed once in a folder of `.tmp/`, and the
 * built package. If the installation fails, the tests fail in CI and are skipped elsewhere.
 */
export function describeInstalled(name: string, body: (folder: string) => void): void {
  const folder = resolve('.tmp', `integration-${name}`)
  try {
    install(name, folder)
  } catch (error) {
    const problem = `${name}: npm ci failed in ${folder}`
    if (process.env['CI']) throw new Error(problem, { cause: error })
    console.warn(`SKIPPED ${problem}`)
    describe.skip(name, () => body(folder))
    return
  }
  describe(name, () => body(folder))
}

function install(name: string, folder: string): void {
  const wanted = join('test', 'integration', name, 'project', 'package-lock.json')
  const has = join(folder, 'package-lock.json')
  const modules = join(folder, 'node_modules')
  if (!existsSync(modules) || !existsSync(has) || readFileSync(has, 'utf8') !== readFileSync(wanted, 'utf8')) {
    mkdirSync(folder, { recursive: true })
    rmSync(has, { force: true })
    cpSync(wanted.replace('-lock', ''), join(folder, 'package.json'))
    cpSync(wanted, has)
    try {
      execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'pipe' })
    } catch (error) {
      rmSync(has, { force: true })
      throw error
    }
  }
  const printed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])
  const [{ filename }] = JSON.parse(printed.toString())
  const installed = join(modules, 'cheqpoint-callback')
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed)
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
}
