import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { parseLine } from '../support/log.js'
import { attacks } from './load/attacks.js'
import { check, type Evidence } from './load/check.js'
import type { AnswerCount, Footprint } from './load/messages.js'

const quiet: Footprint = { heapBytes: 20_000_000, rssBytes: 80_000_000, handles: {}, connections: 0 }

/** The records of a run with one handled decision, and one spoof without effect. */
const sound = {
  genuine: 1,
  ledger: ['1700000001020 start genuine_0 1 approved 101 callback'],
  cheqpoint: [
    '1700000000000 get pending_1',
    '1700000001000 decided genuine_0 approved 101',
    '1700000001010 get genuine_0',
  ],
  reviewer: ['1700000001030 answer genuine_0 genuine 200 handled 1700000001001'],
  answers: [{ sort: 'spoof', status: 202, code: 'undecided', count: 1 }] as AnswerCount[],
  died: null as string | null,
  after: { ...quiet },
  delays: [{ p99: 1, max: 10 }],
}
type Lines = typeof sound

function lawsBrokenBy(change: (run: Lines) => void): readonly string[] {
  const run = structuredClone(sound)
  change(run)
  const evidence: Evidence = {
    ...run,
    before: quiet,
    ledger: run.ledger.map(parseLine),
    cheqpoint: run.cheqpoint.map(parseLine),
    reviewer: run.reviewer.map(parseLine),
  }
  return [...new Set(check(evidence).map(({ law }) => law))]
}

/** GETs for different approvals from a time on, at this rate per second. */
function gets(count: number, perSecond: number, prefix: string = 'each'): readonly string[] {
  const at = (n: number): number => 1_700_000_010_000 + Math.floor((n * 1_000) / perSecond)
  return Array.from({ length: count }, (_, n) => `${at(n)} get ${prefix}_${n}`)
}

describe('the checker of the load harness', () => {
  it('accepts a correct run', () => {
    expect(lawsBrokenBy(() => {})).toEqual([])
  })

  it.each<[law: string, fault: string, change: (run: Lines) => void]>([
    ['L1', 'a decision that never ran', (run) => run.ledger.pop()],
    ['L1', 'a decision that ran twice', (run) => run.ledger.push('1700000001090 start genuine_0 2 approved 101 poll')],
    ['L1', 'a missing decision', (run) => (run.genuine = 2)],
    ['L2', 'a spoof that ran', (run) => run.ledger.push('1700000001090 start pending_1 1 approved 9999999 callback')],
    ['L2', 'a run before its decision', (run) => (run.cheqpoint[1] = '1700000001021 decided genuine_0 approved 101')],
    [
      'L2',
      'an amount that was not approved',
      (run) => (run.cheqpoint[1] = '1700000001000 decided genuine_0 approved 7'),
    ],
    [
      'L2',
      'a rejection that ran as approved',
      (run) => (run.cheqpoint[1] = '1700000001000 decided genuine_0 rejected -'),
    ],
    ['L3', 'more GETs at once than the budgets allow', (run) => run.cheqpoint.push(...gets(130, 10_000))],
    ['L3', 'more GETs in the long run than the budgets allow', (run) => run.cheqpoint.push(...gets(1_000, 90))],
    ['L4', 'two polls within the minimum interval', (run) => run.cheqpoint.push('1700000002500 get genuine_0')],
    [
      'L5',
      'a response that this kind of request must not get',
      (run) => (run.answers[0] = { ...spoofed, status: 200 }),
    ],
    ['L5', 'a request of an unknown kind', (run) => (run.answers[0] = { ...spoofed, sort: 'surprise' })],
    ['L5', 'a missing response', (run) => (run.answers[0] = { ...spoofed, status: 0, code: '-' })],
    [
      'L5',
      'a genuine callback refused as malformed',
      (run) => (run.reviewer[0] = '1 answer genuine_0 genuine 400 malformed 0'),
    ],
    ['L6', 'a process that died', (run) => (run.died = 'receiver.js ended by itself (1)')],
    ['L7', 'memory that is not freed', (run) => (run.after.heapBytes = 40_000_000)],
    ['L7', 'connections of attackers that stay open', (run) => (run.after.connections = 1)],
  ])('detects a violation of %s by %s', (law, _, change) => {
    expect(lawsBrokenBy(change)).toContain(law)
  })

  it('does not count a GET that a stalled process delayed as a breach of the budget', () => {
    const late = (max: number) => (run: Lines) => {
      run.cheqpoint.push(...gets(80, 10_000))
      run.delays = [{ p99: 1, max }]
    }
    expect([lawsBrokenBy(late(10)), lawsBrokenBy(late(200))]).toEqual([['L3'], []])
  })

  it('allows one second of the rate at once, and the rate from then on', () => {
    expect(lawsBrokenBy((run) => run.cheqpoint.push(...gets(60, 10_000, 'saved'), ...gets(1_000, 60)))).toEqual([])
  })
})

const spoofed: AnswerCount = { sort: 'spoof', status: 202, code: 'handled', count: 1 }

describe('under attack every law holds', () => {
  it.each([
    ['everything at once, tokens optional', 'all', 'express'],
    ['everything at once, tokens required', 'all-token', 'hono'],
  ])('%s: %s, %s', async (_, attack, host) => {
    const { code, output } = await harness('--quick', '--only', attack, '--host', host)
    expect(output).toContain('all laws hold')
    expect(output).toContain('genuine: 20 of 20 handled')
    expect(code).toBe(0)
  })
})

describe('docs/load.md', () => {
  it('shows every attack on both hosts, without a violation', () => {
    const page = readFileSync('docs/load.md', 'utf8').split('<!-- load -->')[1]?.split('<!-- /load -->')[0] ?? ''
    const rows = page.split('\n').flatMap((line) => [...line.matchAll(/^\| ([^|]+) \| [\d,]+\/[\d,]+ \|/g)])
    expect(rows.map(([, title]) => title)).toEqual(attacks.map(({ title }) => title))
  })
})

/** Runs the built harness. Its output contains the seed, to reproduce a failure. */
async function harness(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ['dist/test/long/load/main.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const output = await text(child.stdout)
  return { code: await exit, output }
}
