import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { parseLine } from '../support/log.js'
import { describeWith } from '../support/needs.js'
import { check } from './chaos/check.js'
import type { History } from './chaos/history.js'

/** A history in which request 1 was acknowledged, decided, polled once and run once; its callback got a response. */
const sound = {
  driver: ['1700000000000 ack req_1'],
  upstream: [
    '1700000000000 created req_1 ref_1',
    '1700000001000 decided req_1 approved 101',
    '1700000001010 get req_1',
    '1700000001100 answer req_1 genuine 200 handled 1700000001005',
  ],
  ledger: [
    '1700000001020 start req_1 1 41 approved 101 1',
    '1700000001040 finish req_1 1 41',
    '1700000001050 done req_1 1 41',
  ],
  state: { due: [] as string[], parked: [] as string[], open: [] as string[], done: ['req_1'], bytesPerKey: 0 },
}
type Lines = typeof sound

function lawsBrokenBy(change: (history: Lines) => void, terms: Partial<History['terms']> = {}): readonly string[] {
  const { driver, upstream, ledger, state } = structuredClone(sound)
  const history = { driver, upstream, ledger, state }
  change(history)
  const violations = check({
    terms: {
      ...{ run: 'test', title: '', seed: 1, size: 1, versions: '', guarantee: 'at-least-once' },
      ...{ leaseMs: 2_000, minIntervalMs: 500, mayLose: false, drains: true },
      ...terms,
    },
    driver: history.driver.map(parseLine),
    upstream: history.upstream.map(parseLine),
    ledger: history.ledger.map(parseLine),
    state: history.state,
    notes: [],
  })
  return [...new Set(violations.map(({ law }) => law))]
}

/** The runs of another process that took over. */
const secondRun = [
  '1700000004000 start req_1 2 42 approved 101 2',
  '1700000004020 finish req_1 2 42',
  '1700000004030 done req_1 2 42',
]

describe('the checker of the fault harness', () => {
  it('accepts a correct history', () => {
    expect(lawsBrokenBy(() => {})).toEqual([])
  })

  it.each<[law: string, fault: string, change: (history: Lines) => void]>([
    ['L1', 'a decision that never ran', (h) => h.ledger.splice(0, 3, '') && h.upstream.splice(3, 1)],
    [
      'L1',
      'an interrupted submission that is not listed',
      (h) => {
        h.driver = []
        h.ledger = []
        h.upstream.splice(2, 2)
      },
    ],
    ['L2', 'an amount that was not approved', (h) => (h.ledger[0] = '1700000001020 start req_1 1 41 approved 999 1')],
    ['L2', 'a rejection that ran as approved', (h) => (h.upstream[1] = '1700000001000 decided req_1 rejected -')],
    ['L3', 'a run before the decision', (h) => (h.upstream[1] = '1700000001021 decided req_1 approved 101')],
    ['L3', 'a run without a decision', (h) => h.upstream.splice(1, 1)],
    ['L4', 'a second completion', (h) => h.ledger.push('1700000001060 done req_1 1 41')],
    ['L5', 'a second run without a cause', (h) => h.ledger.splice(2, 1, ...secondRun)],
    ['L6', 'a fence that is used twice', (h) => h.ledger.splice(1, 0, '1700000001021 start req_1 1 41 approved 101 1')],
    ['L7', 'two polls within the minimum interval', (h) => h.upstream.push('1700000001500 get req_1')],
    ['L8', 'a 200 response without an effect', (h) => (h.ledger[1] = '1700000001101 finish req_1 1 41')],
    [
      'L8',
      'a failure without a cause',
      (h) => h.upstream.push('1700000001300 answer req_1 copy 503 store-unavailable 1700000001200'),
    ],
    [
      'L8',
      'a known approval reported as unknown',
      (h) => h.upstream.push('1700000001300 answer req_1 copy 404 unknown-approval 1700000001200'),
    ],
    [
      'L9',
      'an approval that is still open at the end',
      (h) => h.state.due.push('a:req_1') && h.state.open.push('req_1'),
    ],
    ['L9', 'an open approval in no index', (h) => h.state.open.push('req_2')],
    ['L9', 'an indexed approval that is gone', (h) => h.state.parked.push('req_2')],
  ])('detects a violation of %s by %s', (law, _, change) => {
    expect(lawsBrokenBy(change)).toContain(law)
  })

  it('accepts a second run only if the first process was killed', () => {
    const killed = (pid: number) => (h: Lines) => {
      h.driver.push(`1700000001045 fault kill ${pid}`)
      h.ledger.splice(2, 1, ...secondRun)
    }
    expect(lawsBrokenBy(killed(41))).toEqual([])
    expect(lawsBrokenBy(killed(43))).toEqual(['L5'])
  })

  it('accepts two parallel runs only if the process with the older claim was stopped', () => {
    const stopped = (pid: number) => (h: Lines) => {
      h.driver.push(`1700000001005 fault stop ${pid}`, `1700000005000 over stop ${pid}`)
      h.ledger = [...secondRun, '1700000005001 start req_1 1 41 approved 101 1', '1700000005002 finish req_1 1 41']
      h.upstream.splice(3, 1)
    }
    expect(lawsBrokenBy(stopped(41))).toEqual([])
    expect(lawsBrokenBy(stopped(42))).toEqual(['L5', 'L6'])
  })

  it('accepts no second attempt under at-most-once', () => {
    const change = (h: Lines): void => {
      h.driver.push('1700000001045 fault kill 41')
      h.ledger.splice(2, 1, ...secondRun)
    }
    expect(lawsBrokenBy(change, { guarantee: 'at-most-once' })).toEqual(['L5'])
  })

  it('accepts a 503 during an outage of Redis, and not before it', () => {
    const answered = (sentAt: number) => (h: Lines) => {
      h.driver.push('1700000002000 fault redis-kill', '1700000002500 over redis-kill')
      h.upstream.push(`${sentAt + 5} answer req_1 copy 503 store-unavailable ${sentAt}`)
    }
    expect(lawsBrokenBy(answered(1_700_000_002_100))).toEqual([])
    expect(lawsBrokenBy(answered(1_700_000_001_900))).toEqual(['L8'])
  })
})

describeWith('redis-server', 'under injected faults every law holds', () => {
  it.each([
    ['F1', 200, 'script-flush'],
    ['F2', 160, 'kill'],
    ['F4a', 250, 'redis-kill'],
    ['F9b', 150, 'callback-lost'],
    ['F10', 20, 'stop'],
    ['F12a', 8, 'kill'],
    ['F12b', 8, 'kill'],
  ])('in %s with %i', async (run, size, fault) => {
    const { code, output } = await harness(run, '--size', String(size))
    expect(output).toMatch(new RegExp(`faults: .*\\b${fault} [1-9]`))
    expect(output).toContain('all laws hold')
    expect(code).toBe(0)
  })
})

describeWith(
  'postgres',
  'under injected faults of Postgres every law holds, and effects in a transaction are not doubled',
  () => {
    it.each([
      ['F1p', 100, 'callback-copied'],
      ['F7a', 60, 'backend-terminated'],
      ['F7b', 60, 'backend-terminated'],
      ['F12ap', 8, 'kill'],
      ['F12bp', 8, 'kill'],
    ])('in %s with %i', async (run, size, fault) => {
      const { code, output } = await harness(run, '--size', String(size))
      expect(output).toMatch(new RegExp(`faults: .*\\b${fault} [1-9]`))
      expect(output).toContain('all laws hold')
      expect(code).toBe(0)
    })
  },
)

/** Runs the built harness. Its output contains the seed, to reproduce a failure. */
async function harness(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ['dist/test/long/chaos/main.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const output = await text(child.stdout)
  return { code: await exit, output }
}
