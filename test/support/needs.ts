import { execFileSync } from 'node:child_process'
import { describe } from 'vitest'

const chromiumPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const wantedChromium = process.env['CHROMIUM_PATH']

/** The programs that tests start, and the command that answers where they are installed. */
const tools: Readonly<Record<Tool, readonly string[]>> = {
  'redis-server': ['redis-server'],
  chromium: wantedChromium === undefined ? chromiumPlaces : [wantedChromium],
  curl: ['curl'],
}

/** A program that some tests need. */
export type Tool = 'redis-server' | 'chromium' | 'curl'

/** The command that starts a program here, or `undefined` where it is not installed. */
export function findTool(tool: Tool): string | undefined {
  return tools[tool].find(runs)
}

/**
 * A `describe` that needs a program. Where it is missing, the tests fail in CI; elsewhere they are skipped with one
 * line that names the remedy.
 */
export function describeWith(tool: Tool, name: string, body: () => void): void {
  if (findTool(tool) !== undefined) {
    describe(name, body)
    return
  }
  const problem = `${name}: ${tool} not found (apt-get install ${tool})`
  if (process.env['CI']) throw new Error(problem)
  console.warn(`SKIPPED ${problem}`)
  describe.skip(name, body)
}

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
