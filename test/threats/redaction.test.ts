import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { id, tracked } from '../support/answers-bench.js'
import { situations } from '../support/answers-situations.js'
import { searchFor, standingSecrets } from '../support/canaries.js'
import { describeWith } from '../support/needs.js'
import type { Act } from '../support/redaction-act.js'
import { wrongArguments } from '../support/redaction-arguments.js'
import { type Backing, memoryBacking, redisBacking } from '../support/redaction-backing.js'
import { codeOf, misplaced, type RedactionBench, redactionBench } from '../support/redaction-bench.js'
import { operations } from '../support/redaction-operations.js'
import { mayAppear, type Place } from '../support/redaction-places.js'
import { submissions } from '../support/redaction-submissions.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { activeSpans } from '../support/telemetry-bench.js'

const acts = [...submissions, ...wrongArguments, ...operations]
const columns = [
  ['swept', 'elsewhere', 0],
  ['swept by nobody', 'off', 1],
] as const

let end: () => void
beforeAll(() => {
  end = activeSpans()
})
afterAll(() => end())
beforeEach(() => {
  // What is done over sockets goes on in real time.
  const toFake = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z'), toFake: [...toFake] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('on the memory store', () => {
  callbacksLeakNothing(memoryBacking)
  callsLeakNothing(memoryBacking, acts)
  findEverywhere(memoryBacking, (place) => place !== 'command')
})

describeWith('redis-server', 'on Redis', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())
  const untimed = acts.filter(({ memoryOnly }) => memoryOnly !== true)

  callbacksLeakNothing(() => redisBacking(redis))
  callsLeakNothing(() => redisBacking(redis), untimed)
  findEverywhere(
    () => redisBacking(redis),
    () => true,
  )

  describe('of sixteen partitions', () => {
    callsLeakNothing(() => redisBacking(redis, { partitions: 16 }), untimed)
  })
})

it('traces and figures are among what is searched', async () => {
  const evidence = await (
    await acted(memoryBacking(), 'submit, approved at once with an edit, and it has a result')
  ).evidence()
  const of = (place: Place): readonly string[] =>
    evidence.filter((each) => each.place === place).map(({ what }) => what)
  expect(of('trace')).toEqual(['submit process_refund', 'run process_refund'])
  expect(evidence.find(({ place }) => place === 'metric')?.text).toContain('outcomes action=process_refund')
})

/** Whatever is going on when a callback comes. */
function callbacksLeakNothing(open: () => Backing): void {
  describe.each(columns)('where it is %s, nothing leaks of a callback for an approval that is', (_, sweep, column) => {
    it.each(situations.map((row) => [row.name, row] as const))('%s', async (_, row) => {
      const bench = redactionBench(open(), { sweep, polling: { firstMs: 12_345 }, ...row.options })
      await (row.register?.(bench) ?? bench.receiver.track(id, tracked))
      await row.before?.(bench)
      const answer = await (row.send?.(bench) ?? bench.send())
      expect(answer.status).toBe(row.answers[column])
      expect(await leaks(bench)).toEqual([])
    })
  })
}

/** Whatever becomes of what the owner of the receiver asks of it. */
function callsLeakNothing(open: () => Backing, possible: readonly Act[]): void {
  describe('nothing leaks when one calls', () => {
    it.each(possible.map((act) => [act.name, act] as const))('%s', async (_, { options, run, ends }) => {
      const bench = redactionBench(open(), { sweep: 'elsewhere', polling: { firstMs: 12_345 }, ...options })
      expect(await codeOf(() => run(bench))).toBe(ends)
      expect(await leaks(bench)).toEqual([])
    })
  })
}

/** That the search sees what is there: each secret is found in each place where it may be. */
function findEverywhere(open: () => Backing, isHere: (place: Place) => boolean): void {
  it('each secret is found in each place where it may be', async () => {
    const found = new Set<string>()
    for (const name of [
      'submit, pending',
      'submit, approved at once with an edit, and it has a result',
      'wait for a decision with everything in it',
      'wait for what is parked',
      'reconcile, and the handler throws several errors in one',
      'resolve while the store fails',
      'track while the store fails',
      'submit, answered with 400',
      'submit under a schema that the details make throw',
    ]) {
      const bench = await acted(open(), name)
      const search = searchOf(bench)
      for (const { place, text } of await bench.evidence())
        for (const kind of search(text)) found.add(`${kind}: ${place}`)
    }
    const expected = Object.entries(mayAppear).flatMap(([kind, places]) =>
      places.filter(isHere).map((place) => `${kind}: ${place}`),
    )
    expect([...found].sort()).toEqual(expected.sort())
  })
}

/** A bench on which the act of this name was done, whatever its end. */
async function acted(backing: Backing, name: string): Promise<RedactionBench> {
  const act = acts.find((each) => each.name === name)
  if (act === undefined) throw new Error(`no act is called ${name}`)
  const bench = redactionBench(backing, { sweep: 'elsewhere', polling: { firstMs: 12_345 }, ...act.options })
  await codeOf(() => act.run(bench))
  return bench
}

function searchOf(bench: RedactionBench): ReturnType<typeof searchFor> {
  return searchFor([...standingSecrets, ...bench.tokens()])
}

/** Each secret that stands where it must not, in words. */
async function leaks(bench: RedactionBench): Promise<readonly string[]> {
  return misplaced(await bench.evidence(), searchOf(bench))
}
