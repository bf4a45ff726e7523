import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** The result of the tests. */
export type Verdict =
  | {
      readonly kind: 'killed'
      readonly file: string
      readonly title: string
      /** The test timed out, as it may on a slow machine too. */
      readonly timedOut: boolean
    }
  | { readonly kind: 'survived' }
  /** No test ran: the code does not load, or the tests hang. */
  | { readonly kind: 'broken'; readonly why: string }

/** The part of vitest's JSON report that is read here. */
interface Report {
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

/**
 * Runs these test files of a tree, or all if none is named, up to the first failure. With a title, only the test of
 * that name.
 */
export async function runTests(root: string, files: readonly string[], title?: string): Promise<Verdict> {
  const output = join(root, 'mutation-report.json')
  rmSync(output, { force: true })
  const paths = files.map((file) => `test/${file}`)
  const named = title === undefined ? [] : [`--testNamePattern=^${title.replace(/[^\w\s]/g, '.')}$`]
  const reporting = ['--reporter=json', `--outputFile=${output}`, '--bail=1']
  // A slow machine must not cause a failure.
  const patience = ['--testTimeout=60000', '--hookTimeout=60000']
  // The test of this list fails for every changed text.
  // Without files: the lanes of `npm test`. Files run once, not for each store.
  const lanes = files.length > 0 ? ['--project=!receiver-on-*'] : fastLanes(root)
  const options = ['run', ...lanes, '--exclude', 'test/unit/mutants.test.ts', ...patience, ...reporting]
  const code = await run(root, ['node_modules/vitest/vitest.mjs', ...options, ...named, ...paths])
  return code === null ? { kind: 'broken', why: 'the tests do not end' } : readVerdict(root, output, code === 0)
}

/** The options that name the lanes of `npm test`. */
function fastLanes(root: string): readonly string[] {
  return readFileSync(join(root, 'package.json'), 'utf8').match(/--project=[\w-]+/g) ?? []
}

function readVerdict(root: string, output: string, passed: boolean): Verdict {
  let report: Report
  try {
    // Written by vitest just now.
    report = JSON.parse(readFileSync(output, 'utf8')) as Report
  } catch {
    return { kind: 'broken', why: 'vitest gave no report' }
  }
  for (const { name, assertionResults } of report.testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed')
    if (failed === undefined) continue
    // A script that Redis cannot compile fails every test of the store, which proves nothing.
    if (failed.failureMessages.some((message) => /Redis answered ERR/.test(message)))
      return { kind: 'broken', why: 'a script of Redis does not run' }
    const timedOut = failed.failureMessages.some((message) => /timed out in/.test(message))
    return { kind: 'killed', file: name.slice(root.length + '/test/'.length), title: failed.fullName, timedOut }
  }
  if (passed) return { kind: 'survived' }
  const message = report.testResults.map((each) => each.message).find((each) => each !== '')
  return { kind: 'broken', why: message?.split('\n')[0] ?? 'errors outside of the tests' }
}

/** Exit code of the process; `null` if it had to be killed with its workers. */
function run(cwd: string, args: readonly string[]): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'ignore', detached: true })
    const stop = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended already.
      }
    }
    // Waits for its end before the tree, in which it writes, is removed.
    process.prependOnceListener('exit', stop)
    const timer = setTimeout(stop, longestRunMs)
    child.once('exit', (code) => {
      clearTimeout(timer)
      process.off('exit', stop)
      resolve(code)
    })
  })
}
