import { execFileSync } from 'node:child_process'
import { describe } from 'vitest'
import { findPostgres } from './postgres-server.js'

const chromiumPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const wantedChromium = process.env['CHROMIUM_PATH']

/** The programs that tests start, how to find each, and its package if the name differs. */
const tools: Readonly<Record<Tool, { readonly find: () => string | undefined; readonly from?: string }>> = {
  'redis-server': { find: () => firstOf(['redis-server']) },
  chromium: { find: () => firstOf(wantedChromium === undefined ? chromiumPlaces : [wantedChromium]) },
  curl: { find: () => firstOf(['curl']) },
  postgres: { find: findPostgres, from: 'postgresql' },
}

/** A program that some tests need. */
export type Tool = 'redis-server' | 'chromium' | 'curl' | 'postgres'

/** The command of a program, or the folder of Postgres; `undefined` if it is not installed. */
export function findTool(tool: Tool): string | undefined {
  return tools[tool].find()
}

/**
 * A `describe` that needs a program. If it is missing, the tests fail in CI; elsewhere they are skipped with one line
 * that names the fix.
 */
export function describeWith(tool: Tool, name: string, body: () => void): void {
  if (findTool(tool) !== undefined) {
    describe(name, body)
    return
  }
  const { from = tool } = tools[tool]
  const problem = `${name}: ${tool} not found (apt-get install ${from})`
  if (process.env['CI']) throw new Error(problem)
  console.warn(`SKIPPED ${problem}`)
  describe.skip(name, body)
}

function firstOf(commands: readonly string[]): string | undefined {
  return commands.find(runs)
}

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
