import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What the tests said. */
export type Verdict =
  | { readonly kind: 'killed'; readonly file: string; readonly title: string }
  | { readonly kind: 'survived' }
  /** No test could say anything: nothing loads, or they never end. */
  | { readonly kind: 'broken'; readonly why: string }

/** The part of vitest's JSON report that is read here. */
interface Report {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

const longestRunMs = 900_000

/** Runs these files of a tree's tests, or all of them where none is named, up to the first failure. */
export async function runTests(root: string, files: readonly string[]): Promise<Verdict> {
  const output = join(root, 'mutation-report.json')
  rmSync(output, { force: true })
  const paths = files.map((file) => `test/${file}`)
  const reporting = ['--reporter=json', `--outputFile=${output}`, '--bail=1']
  // A slow machine must not look like a test that noticed.
  const patience = ['--testTimeout=30000', '--hookTimeout=60000']
  // The list of mutants misses each text that was changed, and would kill everything.
  const options = ['run', '--dir', 'test', '--exclude', 'test/mutation.test.ts', ...patience, ...reporting]
  const ended = await run(root, ['node_modules/vitest/vitest.mjs', ...options, ...paths])
  return ended ? readVerdict(root, output) : { kind: 'broken', why: 'the tests do not end' }
}

function readVerdict(root: string, output: string): Verdict {
  let report: Report
  try {
    // Written by vitest a moment ago.
    report = JSON.parse(readFileSync(output, 'utf8')) as Report
  } catch {
    return { kind: 'broken', why: 'vitest gave no report' }
  }
  for (const { name, assertionResults } of report.testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed')
    if (failed === undefined) continue
    // A script that Redis cannot compile fails every test of the store, and shows nothing.
    if (failed.failureMessages.some((message) => /Redis answered ERR/.test(message)))
      return { kind: 'broken', why: 'a script of Redis does not run' }
    return { kind: 'killed', file: name.slice(root.length + '/test/'.length), title: failed.fullName }
  }
  if (report.success) return { kind: 'survived' }
  const message = report.testResults.map((each) => each.message).find((each) => each !== '')
  return { kind: 'broken', why: message?.split('\n')[0] ?? 'errors outside of the tests' }
}

/** Whether the process ended by itself in time. It takes its workers with it. */
function run(cwd: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'ignore', detached: true })
    const stop = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has gone already.
      }
    }
    // Before the tree is removed, in which it writes.
    process.prependOnceListener('exit', stop)
    const timer = setTimeout(stop, longestRunMs)
    child.once('exit', (_code, signal) => {
      clearTimeout(timer)
      process.off('exit', stop)
      resolve(signal === null)
    })
  })
}
