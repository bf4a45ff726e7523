import assert from 'node:assert/strict'
import { quickPolls } from '../index.js'
import { approved, type Case, long, rejected } from './contract-bench.js'

const atOnce = { dueInMs: 0, notBeforeMs: 0 }
const later = { dueInMs: long, notBeforeMs: long }
const end = { outcome: 'approved', result: null } as const

/** What a holder may write, and what a person may do about parked records. */
export const writeCases: readonly Case[] = [
  [
    'extending moves the end of the lease to so long from now',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a', bench.span)
      if (bench.exact) await bench.pass(bench.span - 1)
      const start = bench.mark()
      assert.equal(await bench.store.extend('apr-1', 'a', 2 * bench.span), 'extended')
      await start.before(2 * bench.span, async () => {
        assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'held')
        assert.deepEqual(await bench.due(), [])
      })
      await start.at(2 * bench.span, async () => {
        assert.deepEqual(await bench.due(), ['approval:apr-1'])
        await bench.claim('apr-1', 'b')
      })
    },
  ],
  [
    'whoever lets a lease run out still holds the record while nobody took over',
    async (bench) => {
      for (const id of ['extend', 'seal', 'release', 'park', 'complete']) {
        await bench.add(id)
        await bench.lapse(id, 'a')
      }
      assert.equal(await bench.store.extend('extend', 'a', long), 'extended')
      assert.equal((await bench.store.claim('extend', 'b', long, {})).kind, 'held')
      assert.deepEqual(await bench.store.seal('seal', 'a', approved), { kind: 'sealed', sealed: approved, starts: 1 })
      assert.equal(await bench.store.release('release', 'a', atOnce), 'released')
      assert.equal(await bench.store.park('park', 'a', 'edit-invalid', ''), 'parked')
      assert.equal(await bench.store.complete('complete', 'a', end, long), 'done')
    },
  ],
  [
    'whoever gave a record back may not write to it',
    async (bench) => {
      for (const id of ['released', 'parked', 'done']) await bench.add(id)
      for (const id of ['released', 'parked', 'done']) await bench.claim(id, 'a')
      await bench.store.release('released', 'a', later)
      await bench.store.park('parked', 'a', 'edit-invalid', '')
      await bench.store.complete('done', 'a', end, long)
      for (const id of ['released', 'parked', 'done']) {
        assert.equal(await bench.store.extend(id, 'a', 1), 'lost')
        assert.deepEqual(await bench.store.seal(id, 'a', approved), { kind: 'lost' })
        if (id !== 'released') assert.equal(await bench.store.release(id, 'a', atOnce), 'lost')
        if (id !== 'parked') assert.equal(await bench.store.park(id, 'a', 'edit-invalid', ''), 'lost')
        if (id !== 'done') assert.equal(await bench.store.complete(id, 'a', end, long), 'lost')
      }
      assert.deepEqual(await bench.due(), [])
    },
  ],
  [
    'a seal keeps the decision and counts the start, once a token',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      const answer = { kind: 'sealed', sealed: approved, starts: 1 }
      assert.deepEqual(await bench.store.seal('apr-1', 'a', approved), answer)
      assert.deepEqual(await bench.store.seal('apr-1', 'a', approved), answer)
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'claimed')
      assert.deepEqual({ sealed: snapshot.sealed, starts: snapshot.starts }, { sealed: approved, starts: 1 })
    },
  ],
  [
    'the first sealed decision stands, whoever seals again',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', rejected)
      assert.deepEqual(await bench.store.seal('apr-1', 'a', approved), { kind: 'sealed', sealed: rejected, starts: 1 })
      await bench.store.release('apr-1', 'a', atOnce)
      const { sealed, starts } = await bench.claim('apr-1', 'b')
      assert.deepEqual({ sealed, starts }, { sealed: rejected, starts: 1 })
      assert.deepEqual(await bench.store.seal('apr-1', 'b', approved), { kind: 'sealed', sealed: rejected, starts: 2 })
      await bench.add('inline', { sealed: rejected })
      await bench.claim('inline', 'a')
      assert.deepEqual(await bench.store.seal('inline', 'a', approved), { kind: 'sealed', sealed: rejected, starts: 1 })
    },
  ],
  [
    'a start survives its holder, and is counted beside the next one',
    async (bench) => {
      await bench.add('apr-1')
      await bench.lapse('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      const { sealed, starts } = await bench.claim('apr-1', 'b')
      assert.deepEqual({ sealed, starts }, { sealed: approved, starts: 1 })
      assert.deepEqual(await bench.store.seal('apr-1', 'b', approved), { kind: 'sealed', sealed: approved, starts: 2 })
    },
  ],
  [
    'a released record is pending, keeps its decision, and is due when the release says',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      const start = bench.mark()
      assert.equal(await bench.store.release('apr-1', 'a', { dueInMs: bench.span, notBeforeMs: 0 }), 'released')
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'pending')
      assert.deepEqual({ sealed: snapshot.sealed, starts: snapshot.starts }, { sealed: approved, starts: 1 })
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a release sent twice answers the same, and undoes nothing that came between',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      const options = { dueInMs: long, notBeforeMs: long / 10, giveAttemptBack: true, knocked: false }
      const start = bench.mark()
      assert.equal(await bench.store.release('apr-1', 'a', options), 'released')
      assert.equal((await bench.store.claim('apr-1', 'b', long, {})).kind, 'too-soon')
      assert.equal(await bench.store.release('apr-1', 'a', options), 'released')
      start.left(await bench.dueIn('apr-1'), long / 10)
      assert.equal((await bench.claim('apr-1', 'b', long, { force: true })).starts, 0)
      assert.equal(await bench.store.release('apr-1', 'a', options), 'lost')
      assert.equal((await bench.store.claim('apr-1', 'c', long, {})).kind, 'held')
    },
  ],
  [
    'a release may give back the start that its own token counted, once, and no other',
    async (bench) => {
      await bench.add('apr-1')
      for (const [token, seals, expected] of [
        ['a', true, 0],
        ['b', false, 0],
        ['c', true, 0],
      ] as const) {
        await bench.claim('apr-1', token)
        if (seals) await bench.store.seal('apr-1', token, approved)
        await bench.store.release('apr-1', token, { ...atOnce, giveAttemptBack: true })
        const snapshot = await bench.store.get('apr-1')
        assert.ok(snapshot?.state === 'pending')
        assert.equal(snapshot.starts, expected)
        assert.equal(snapshot.sealed, approved)
      }
      await bench.lapse('apr-1', 'd')
      await bench.store.seal('apr-1', 'd', approved)
      await bench.claim('apr-1', 'e')
      await bench.store.release('apr-1', 'e', { ...atOnce, giveAttemptBack: true })
      assert.equal((await bench.claim('apr-1', 'f')).starts, 1, 'a start of another token was given back')
    },
  ],
  [
    `a release that tells of a callback owes ${quickPolls} quick looks, its own included`,
    async (bench) => {
      await bench.add('apr-1')
      for (let look = 0; look <= quickPolls; look++) {
        await bench.claim('apr-1', `${look}`, long, { force: true })
        const start = bench.mark()
        const options = { dueInMs: long, notBeforeMs: long / 10, knocked: look === 0 }
        assert.equal(await bench.store.release('apr-1', `${look}`, options), 'released')
        start.left(await bench.dueIn('apr-1'), look < quickPolls ? long / 10 : long)
      }
    },
  ],
  [
    'completing leaves a tombstone, and the record is never due again',
    async (bench) => {
      await bench.add('apr-1', { ref: 'ref-1', dueInMs: 0 })
      const start = bench.mark()
      await bench.claim('apr-1', 'a', bench.span)
      await bench.store.seal('apr-1', 'a', rejected)
      assert.equal(await bench.store.complete('apr-1', 'a', { outcome: 'rejected', result: '[]' }, long), 'done')
      const answer = await bench.store.claim('apr-1', 'b', long, {})
      assert.ok(answer.kind === 'done', `${answer.kind} instead of done`)
      assert.deepEqual(answer.tombstone, {
        id: 'apr-1',
        ref: 'ref-1',
        action: 'process_refund',
        assistant: 'refunds',
        outcome: 'rejected',
        sealed: rejected,
        result: '[]',
      })
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), []))
      assert.equal(await bench.store.nextDueInMs(), null)
    },
  ],
  [
    'a completion sent twice answers the same, and the first one stands; another token has lost',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      assert.equal(await bench.store.complete('apr-1', 'a', { outcome: 'approved', result: '1' }, long), 'done')
      assert.equal(await bench.store.complete('apr-1', 'a', { outcome: 'approved', result: '2' }, long), 'done')
      assert.equal(await bench.store.complete('apr-1', 'b', { outcome: 'rejected', result: '3' }, long), 'lost')
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'done')
      assert.deepEqual(
        { outcome: snapshot.tombstone.outcome, result: snapshot.tombstone.result },
        { outcome: 'approved', result: '1' },
      )
    },
  ],
  [
    'a parked record keeps why, is never due, and is listed as parked',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      const start = bench.mark()
      await bench.claim('apr-1', 'a', bench.span)
      await bench.store.seal('apr-1', 'a', approved)
      assert.equal(await bench.store.park('apr-1', 'a', 'edit-ambiguous', 'currency is missing'), 'parked')
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'parked')
      const { reason, note, starts, sealed } = snapshot
      assert.deepEqual(
        { reason, note, starts, sealed },
        { reason: 'edit-ambiguous', note: 'currency is missing', starts: 1, sealed: approved },
      )
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), []))
      const { items } = await bench.store.list({ state: 'parked', limit: 10 })
      assert.deepEqual(
        items.map((item) => (item.state === 'parked' ? [item.record.id, item.reason, item.note] : item)),
        [['apr-1', 'edit-ambiguous', 'currency is missing']],
      )
      assert.deepEqual((await bench.store.list({ state: 'open', limit: 10 })).items, [])
    },
  ],
  [
    'parking sent twice answers the same, and does not park again what a person revived',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      assert.equal(await bench.store.park('apr-1', 'a', 'edit-invalid', ''), 'parked')
      assert.equal(await bench.store.park('apr-1', 'a', 'edit-invalid', ''), 'parked')
      assert.equal(await bench.store.retry('apr-1'), 'pending')
      await bench.store.park('apr-1', 'a', 'edit-invalid', '')
      assert.equal((await bench.store.get('apr-1'))?.state, 'pending')
    },
  ],
  [
    'a retried record is due and may be claimed at once, keeps its decision, and forgets its starts',
    async (bench) => {
      await bench.add('apr-1')
      const { fence } = await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      await bench.store.release('apr-1', 'a', later)
      await bench.claim('apr-1', 'b', long, { force: true })
      await bench.store.seal('apr-1', 'b', approved)
      await bench.store.park('apr-1', 'b', 'too-many-attempts', '')
      assert.equal(await bench.store.retry('apr-1'), 'pending')
      assert.deepEqual(await bench.due(), ['approval:apr-1'])
      const again = await bench.claim('apr-1', 'c')
      assert.deepEqual(
        { starts: again.starts, sealed: again.sealed, fence: again.fence },
        { starts: 0, sealed: approved, fence: fence + 2 },
      )
      assert.deepEqual(await bench.store.seal('apr-1', 'c', rejected), { kind: 'sealed', sealed: approved, starts: 1 })
    },
  ],
  [
    'only a parked record can be retried',
    async (bench) => {
      for (const id of ['pending', 'claimed', 'done']) await bench.add(id)
      const { fence } = await bench.claim('claimed', 'a')
      await bench.finish('done')
      for (const id of ['pending', 'claimed', 'done']) assert.equal(await bench.store.retry(id), 'not-parked')
      assert.equal(await bench.store.retry('never'), 'unknown')
      assert.deepEqual(await bench.due(), [])
      assert.equal((await bench.claim('claimed', 'a')).fence, fence)
    },
  ],
  [
    'pending and parked records can be cancelled, done and unknown ones not',
    async (bench) => {
      for (const id of ['pending', 'parked', 'done']) await bench.add(id, { dueInMs: 0, sealed: approved })
      await bench.park('parked')
      await bench.finish('done')
      for (const id of ['pending', 'parked']) {
        assert.equal(await bench.store.cancel(id, long), 'cancelled')
        assert.equal(await bench.store.cancel(id, long), 'done')
        const snapshot = await bench.store.get(id)
        assert.ok(snapshot?.state === 'done')
        const { outcome, sealed, result } = snapshot.tombstone
        assert.deepEqual({ outcome, sealed, result }, { outcome: 'cancelled', sealed: null, result: null })
      }
      assert.equal(await bench.store.cancel('done', long), 'done')
      assert.equal(await bench.store.cancel('never', long), 'unknown')
      const kept = await bench.store.get('done')
      assert.equal(kept?.state === 'done' && kept.tombstone.outcome, 'approved')
      assert.deepEqual(await bench.due(), [])
      assert.equal((await bench.store.stats()).parked, 0)
    },
  ],
  [
    'a claimed record cannot be cancelled before its lease has run out; then its holder has lost it',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      await bench.claim('apr-1', 'a', bench.span)
      await start.before(bench.span, async () => assert.equal(await bench.store.cancel('apr-1', long), 'held'))
      await start.at(bench.span, async () => assert.equal(await bench.store.cancel('apr-1', long), 'cancelled'))
      assert.equal(await bench.store.complete('apr-1', 'a', end, long), 'lost')
      assert.deepEqual(await bench.store.seal('apr-1', 'a', approved), { kind: 'lost' })
    },
  ],
  [
    'the tombstone of a cancelled record stays for its retention',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      await bench.store.cancel('apr-1', bench.span)
      await start.before(bench.span, async () => assert.equal((await bench.store.get('apr-1'))?.state, 'done'))
      await start.after(bench.span, async () => assert.equal(await bench.store.get('apr-1'), null))
    },
  ],
]
