import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { codeBlocks } from '../support/blocks.js'
import { nextRequest, startExample } from '../support/examples.js'
import { describeWith } from '../support/needs.js'
import { startPostgres } from '../support/postgres-server.js'

const apiKey = 'cq_live_exactly_once'
let simulator: Simulator

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
})
afterEach(() => simulator.close())

/** Approves the request of an example. Returns what it prints until it ends by itself. */
async function runApproved(
  file: string,
  { env = {}, args = [] }: { readonly env?: Readonly<Record<string, string>>; readonly args?: readonly string[] },
): Promise<readonly string[]> {
  const { url } = await simulator.listen()
  const request = nextRequest(simulator)
  const { child, rest, ended } = startExample(file, { baseUrl: url, apiKey, env, args: [...args] })
  onTestFinished(() => void child.kill('SIGKILL'))
  simulator.decide((await request).id, { status: 'approved' })
  const lines = await rest()
  expect(await ended).toBe(0)
  return lines
}

/** The first attempt failed after it wrote its row, which was rolled back. */
const printed = ['attempt 1 failed', 'approved, {"refunded":120}, rows in refunds: 1']

describe('the example of exactly once with SQLite', () => {
  it('has one effect after an attempt that failed halfway', async () => {
    const folder = mkdtempSync(`${tmpdir()}/cheqpoint-exactly-once-`)
    onTestFinished(() => rmSync(folder, { recursive: true }))
    expect(await runApproved('examples/exactly-once-sqlite.js', { args: [`${folder}/app.db`] })).toEqual(printed)
  })
})

describeWith('postgres', 'the example of exactly once with Postgres', () => {
  it('has one effect after an attempt that failed halfway', async () => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const env = { DATABASE_URL: server.url }
    expect(await runApproved('examples/exactly-once-postgres.js', { env })).toEqual(printed)
  })
})

describe('docs/exactly-once.md', () => {
  it('shows code of the examples, without their simulated failure', () => {
    const blocks = codeBlocks('docs/exactly-once.md', 'ts')
    expect(blocks.map(({ name }) => name)).toEqual(['exactly-once-postgres', 'exactly-once-sqlite'])
    for (const { name, code } of blocks) {
      const lines = readFileSync(`examples/${name}.ts`, 'utf8').split('\n')
      const isShown = (line: string) => !line.includes('a crash before the commit') && !line.trim().startsWith('//')
      const example = lines.filter(isShown).map((line) => line.trim())
      const shown = code
        .trimEnd()
        .split('\n')
        .map((line) => line.trim())
      expect(example.join('\n'), name).toContain(shown.join('\n'))
    }
  })
})
