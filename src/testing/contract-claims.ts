import assert from 'node:assert/strict'
import { quickPolls } from '../index.js'
import { approved, assertRecord, type Bench, type Case, long, newRecord } from './contract-bench.js'

/** Who may have a record, for how long, and how callbacks hurry it. */
export const claimCases: readonly Case[] = [
  [
    'an unknown id cannot be claimed',
    async ({ store }) => {
      assert.deepEqual(await store.claim('apr-1', 'a', long, {}), { kind: 'unknown' })
      assert.deepEqual(await store.claim('apr-1', 'a', long, { ref: 'ref-1', force: true, knock: true }), {
        kind: 'unknown',
      })
    },
  ],
  [
    'a claim hands out the record with its age, and the fence rises with each one',
    async (bench) => {
      const start = bench.mark()
      await bench.add('apr-1')
      await bench.pass(7)
      const { record, fence, starts, sealed, ageMs } = await bench.claim('apr-1', 'a')
      start.age(ageMs)
      assertRecord(record, newRecord('apr-1'))
      assert.deepEqual({ starts, sealed }, { starts: 0, sealed: null })
      for (const [earlier, later, rise] of [
        ['a', 'b', 1],
        ['b', 'c', 2],
        ['c', 'a', 3],
      ] as const) {
        await bench.store.release('apr-1', earlier, { dueInMs: 0, notBeforeMs: 0 })
        assert.equal((await bench.claim('apr-1', later)).fence, fence + rise)
      }
    },
  ],
  [
    'a live lease keeps others out, and what is left of it is told',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      const { fence } = await bench.claim('apr-1', 'a')
      await bench.pass(5)
      for (const force of [false, true]) {
        const answer = await bench.store.claim('apr-1', 'b', 1, { force })
        assert.ok(answer.kind === 'held', `${answer.kind} instead of held`)
        start.left(answer.forMs, long)
      }
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'claimed')
      assert.equal(snapshot.fence, fence)
      start.left(snapshot.dueInMs, long)
      assert.equal(await bench.store.extend('apr-1', 'a', long), 'extended')
    },
  ],
  [
    'a lease is taken over when it has run out, and not earlier',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      const { fence } = await bench.claim('apr-1', 'a', bench.span)
      await start.before(bench.span, async () => {
        assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'held')
      })
      await start.at(bench.span, async () => {
        assert.equal((await bench.claim('apr-1', 'b')).fence, fence + 1)
      })
    },
  ],
  [
    'force does not shorten a lease',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      await bench.claim('apr-1', 'a', bench.span)
      await start.before(bench.span, async () => {
        assert.equal((await bench.store.claim('apr-1', 'b', long, { force: true })).kind, 'held')
      })
      await start.at(bench.span, async () => {
        await bench.claim('apr-1', 'b', long, { force: true })
      })
    },
  ],
  [
    'a claimed record is due when its lease ends, so that a crash needs nobody to notice it',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      const start = bench.mark()
      await bench.claim('apr-1', 'a', bench.span)
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'claiming again with the token of a live lease answers as before',
    async (bench) => {
      await bench.add('apr-1')
      const first = await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      const second = await bench.claim('apr-1', 'a')
      assert.equal(second.fence, first.fence)
      assert.equal(second.starts, 1)
      assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'held')
    },
  ],
  [
    'whoever was taken over is refused everywhere, and changes nothing',
    async (bench) => {
      await bench.add('apr-1')
      await bench.takeOver('apr-1', 'old', 'new')
      const { store } = bench
      assert.equal(await store.extend('apr-1', 'old', 1), 'lost')
      assert.deepEqual(await store.seal('apr-1', 'old', approved), { kind: 'lost' })
      assert.equal(
        await store.release('apr-1', 'old', { dueInMs: 0, notBeforeMs: 0, knocked: true, giveAttemptBack: true }),
        'lost',
      )
      assert.equal(await store.park('apr-1', 'old', 'edit-invalid', ''), 'lost')
      assert.equal(await store.complete('apr-1', 'old', { outcome: 'approved', result: null }, long), 'lost')
      const snapshot = await store.get('apr-1')
      assert.ok(snapshot?.state === 'claimed')
      assert.deepEqual({ starts: snapshot.starts, sealed: snapshot.sealed }, { starts: 0, sealed: null })
      assert.deepEqual(await bench.due(), [])
      assert.equal(await store.complete('apr-1', 'new', { outcome: 'rejected', result: null }, long), 'done')
    },
  ],
  [
    'a stranger is refused everywhere',
    async (bench) => {
      await bench.add('apr-1')
      for (const id of ['apr-1', 'apr-2']) {
        const { store } = bench
        assert.equal(await store.extend(id, 'stranger', 1), 'lost')
        assert.deepEqual(await store.seal(id, 'stranger', approved), { kind: 'lost' })
        assert.equal(await store.release(id, 'stranger', { dueInMs: 0, notBeforeMs: 0 }), 'lost')
        assert.equal(await store.park(id, 'stranger', 'edit-invalid', ''), 'lost')
        assert.equal(await store.complete(id, 'stranger', { outcome: 'approved', result: null }, long), 'lost')
      }
      assert.equal((await bench.store.get('apr-1'))?.state, 'pending')
      assert.equal(await bench.store.get('apr-2'), null)
    },
  ],
  [
    'a presented reference must be the record’s; another one is foreign and changes nothing',
    async (bench) => {
      await bench.add('none')
      await bench.add('apr-1', { ref: 'ref-1' })
      for (const id of ['none', 'apr-1']) {
        const options = { ref: 'ref-2', force: true, knock: true }
        assert.deepEqual(await bench.store.claim(id, 'a', 1, options), { kind: 'foreign' })
        assert.equal(await bench.store.knock(id, { ref: 'ref-2', withinMs: 0 }), 'foreign')
        assert.ok((await bench.dueIn(id)) > long / 2, 'a foreign reference made the record due')
      }
      const { fence } = await bench.claim('apr-1', 'a', long, { ref: 'ref-1' })
      assert.deepEqual(await bench.store.claim('apr-1', 'b', 1, { ref: 'ref-2', knock: true }), { kind: 'foreign' })
      assert.equal((await bench.claim('apr-1', 'a', long)).fence, fence)
      await expectLook(bench, 'apr-1', 'a', 'long')
    },
  ],
  [
    'a parked record is not claimed, not even by force; a foreign reference is still foreign',
    async (bench) => {
      await bench.add('apr-1', { ref: 'ref-1' })
      await bench.park('apr-1', 'edit-ambiguous')
      const parked = { kind: 'parked', reason: 'edit-ambiguous' }
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, {}), parked)
      assert.deepEqual(await bench.store.claim('apr-1', 'parker', long, {}), parked)
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { force: true, ref: 'ref-1', knock: true }), parked)
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { ref: 'ref-2' }), { kind: 'foreign' })
      assert.equal(await bench.store.knock('apr-1', { withinMs: 0 }), 'parked')
      assert.equal(await bench.store.knock('apr-1', { ref: 'ref-2', withinMs: 0 }), 'foreign')
      assert.deepEqual(await bench.due(), [])
    },
  ],
  [
    'a done record answers with its tombstone, not with a claim; a foreign reference is still foreign',
    async (bench) => {
      await bench.add('apr-1', { ref: 'ref-1' })
      await bench.finish('apr-1')
      for (const options of [{}, { force: true }, { ref: 'ref-1', knock: true }]) {
        const answer = await bench.store.claim('apr-1', 'finisher', long, options)
        assert.ok(answer.kind === 'done', `${answer.kind} instead of done`)
        assert.equal(answer.tombstone.outcome, 'approved')
      }
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { ref: 'ref-2' }), { kind: 'foreign' })
      assert.equal(await bench.store.knock('apr-1', { ref: 'ref-2', withinMs: 0 }), 'foreign')
      assert.equal(await bench.store.knock('apr-1', { ref: 'ref-1', withinMs: 0 }), 'done')
      assert.equal(await bench.store.nextDueInMs(), null)
    },
  ],
  [
    'a released record is left alone until notBefore, and not longer',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      const start = bench.mark()
      await bench.store.release('apr-1', 'a', { dueInMs: long, notBeforeMs: bench.span })
      await start.before(bench.span, async () => {
        for (const token of ['a', 'b']) {
          const answer = await bench.store.claim('apr-1', token, long, {})
          assert.ok(answer.kind === 'too-soon', `${answer.kind} instead of too-soon`)
          start.left(answer.inMs, bench.span)
        }
      })
      await start.at(bench.span, async () => {
        await bench.claim('apr-1', 'b')
      })
    },
  ],
  [
    'a claim that comes too soon makes the record due at notBefore at the latest',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      const start = bench.mark()
      await bench.store.release('apr-1', 'a', { dueInMs: long, notBeforeMs: bench.span })
      await start.before(bench.span, async () => {
        assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'too-soon')
        assert.deepEqual(await bench.due(), [])
      })
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a claim that comes too soon never makes the record due later',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      const start = bench.mark()
      await bench.store.release('apr-1', 'a', { dueInMs: bench.span, notBeforeMs: long })
      assert.equal((await bench.store.claim('apr-1', 'b', long, { knock: true })).kind, 'too-soon')
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a person’s claim passes notBefore',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      await bench.store.release('apr-1', 'a', { dueInMs: long, notBeforeMs: long })
      await bench.claim('apr-1', 'b', long, { force: true })
    },
  ],
  [
    'a knock makes a record due earlier, never later',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: long })
      const start = bench.mark()
      assert.equal(await bench.store.knock('apr-1', { withinMs: bench.span }), 'knocked')
      assert.equal(await bench.store.knock('apr-1', { withinMs: long }), 'knocked')
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a knock finds a claimed record by its reference, and nothing under an unknown id',
    async (bench) => {
      assert.equal(await bench.store.knock('apr-1', { withinMs: 0 }), 'unknown')
      assert.equal(await bench.store.get('apr-1'), null)
      await bench.add('apr-1', { ref: 'ref-1' })
      await bench.claim('apr-1', 'a')
      assert.equal(await bench.store.knock('apr-1', { ref: 'ref-1', withinMs: long }), 'knocked')
      await expectLook(bench, 'apr-1', 'a', 'quick')
    },
  ],
  [
    'without a knock a release makes the record due as it says',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'held')
      await expectLook(bench, 'apr-1', 'a', 'long')
      assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'too-soon')
      await bench.claim('apr-1', 'c', long, { force: true })
      await expectLook(bench, 'apr-1', 'c', 'long')
    },
  ],
  ...knocks().map(
    ([how, arrange]): Case => [
      `${how} is owed ${quickPolls} quick looks, and no more`,
      async (bench) => {
        await bench.add('apr-1')
        await arrange(bench)
        for (let look = 1; look <= quickPolls; look++) await expectLook(bench, 'apr-1', 'a', 'quick')
        await expectLook(bench, 'apr-1', 'a', 'long')
      },
    ],
  ),
  [
    'knocks do not add up',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a', long, { knock: true })
      for (let times = 0; times < 5; times++) await bench.store.knock('apr-1', { withinMs: long })
      for (let look = 1; look <= quickPolls; look++) await expectLook(bench, 'apr-1', 'a', 'quick')
      await expectLook(bench, 'apr-1', 'a', 'long')
    },
  ],
  [
    'a quick look is due at notBefore, and not before it',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a', long, { knock: true })
      const start = bench.mark()
      await bench.store.release('apr-1', 'a', { dueInMs: long, notBeforeMs: bench.span })
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
]

/** The ways in which a callback makes itself known to a record that somebody may hold. */
function knocks(): readonly (readonly [string, (bench: Bench) => Promise<void>])[] {
  return [
    ['a callback that claimed', (bench) => bench.claim('apr-1', 'a', long, { knock: true }).then(() => {})],
    [
      'a callback that met a live lease',
      async (bench) => {
        await bench.claim('apr-1', 'a')
        assert.equal((await bench.store.claim('apr-1', 'b', long, { knock: true })).kind, 'held')
      },
    ],
    [
      'a callback that came too soon',
      async (bench) => {
        await bench.claim('apr-1', 'a')
        await bench.store.release('apr-1', 'a', { dueInMs: long, notBeforeMs: long })
        assert.equal((await bench.store.claim('apr-1', 'b', long, { knock: true })).kind, 'too-soon')
      },
    ],
    [
      'a callback that was not looked into',
      async (bench) => {
        assert.equal(await bench.store.knock('apr-1', { withinMs: long }), 'knocked')
      },
    ],
  ]
}

/** Gives a record back, and asserts when it is looked at next: at `notBeforeMs` or at `dueInMs`. */
async function expectLook(bench: Bench, id: string, token: string, look: 'quick' | 'long'): Promise<void> {
  await bench.claim(id, token, long, { force: true })
  const start = bench.mark()
  assert.equal(await bench.store.release(id, token, { dueInMs: long, notBeforeMs: long / 10 }), 'released')
  start.left(await bench.dueIn(id), look === 'quick' ? long / 10 : long)
}
