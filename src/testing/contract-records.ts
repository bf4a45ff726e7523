import assert from 'node:assert/strict'
import type { Page, Snapshot } from '../index.js'
import { approved, assertRecord, type Case, long, newRecord, rejected } from './contract-bench.js'

/** Records come, are read, and leave a tombstone. */
export const recordCases: readonly Case[] = [
  [
    'a record that was added is pending, and reads as it was submitted',
    async (bench) => {
      const start = bench.mark()
      await bench.add('apr-1')
      const snapshot = await bench.store.get('apr-1')
      assert.ok(snapshot?.state === 'pending')
      const { ageMs, dueInMs, record, ...rest } = snapshot
      assertRecord(record, newRecord('apr-1'))
      assert.deepEqual(rest, { state: 'pending', fence: 0, starts: 0, sealed: null })
      start.age(ageMs)
      start.left(dueInMs, long)
    },
  ],
  [
    'a record added with its decision has it at the first claim, and no start',
    async (bench) => {
      await bench.add('apr-1', { sealed: rejected })
      const { sealed, starts } = await bench.claim('apr-1', 'a')
      assert.deepEqual({ sealed, starts }, { sealed: rejected, starts: 0 })
    },
  ],
  [
    'a record may be added as parked: not due, not claimable, and a person may let it run',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0, sealed: approved, parked: 'adopted' })
      assert.deepEqual(await bench.due(), [])
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, {}), { kind: 'parked', reason: 'adopted' })
      assert.deepEqual(await bench.store.stats(), { open: 0, parked: 1, overdueMs: 0 })
      assert.equal(await bench.store.retry('apr-1'), 'pending')
      assert.deepEqual(await bench.due(), ['approval:apr-1'])
      assert.equal((await bench.claim('apr-1', 'a')).sealed, approved)
    },
  ],
  [
    'adding an id that is open answers exists and changes nothing',
    async (bench) => {
      await bench.add('apr-1')
      const other = newRecord('apr-1', { action: 'other', details: '{}' })
      assert.equal(await bench.store.add(other, { dueInMs: 0, sealed: approved }), 'exists')
      const { record, sealed } = await bench.claim('apr-1', 'a')
      assertRecord(record, newRecord('apr-1'))
      assert.equal(sealed, null)
      assert.equal(await bench.store.add(other, { dueInMs: 0 }), 'exists')
      assert.deepEqual(await bench.due(), [])
    },
  ],
  [
    'adding an id that is parked or done answers exists',
    async (bench) => {
      await bench.add('apr-1')
      await bench.park('apr-1')
      assert.equal(await bench.store.add(newRecord('apr-1'), { dueInMs: 0 }), 'exists')
      await bench.add('apr-2')
      await bench.finish('apr-2')
      assert.equal(await bench.store.add(newRecord('apr-2'), { dueInMs: 0 }), 'exists')
      assert.deepEqual(await bench.due(), [])
    },
  ],
  [
    'an unknown id reads as null',
    async ({ store }) => {
      assert.equal(await store.get('apr-1'), null)
    },
  ],
  [
    'a done record keeps outcome, decision and result, and neither details nor context',
    async (bench) => {
      await bench.add('apr-1')
      await bench.finish('apr-1', { result: '{"refund":"r-1"}' })
      const snapshot = await bench.store.get('apr-1')
      assert.deepEqual(snapshot, {
        state: 'done',
        tombstone: {
          id: 'apr-1',
          ref: null,
          action: 'process_refund',
          assistant: 'refunds',
          outcome: 'approved',
          sealed: approved,
          result: '{"refund":"r-1"}',
        },
      })
    },
  ],
  [
    'a tombstone stays for its retention, and then its id is unknown',
    async (bench) => {
      await bench.add('apr-1')
      const start = bench.mark()
      await bench.finish('apr-1', { retentionMs: bench.span })
      await start.before(bench.span, async () => {
        assert.equal((await bench.store.get('apr-1'))?.state, 'done')
        assert.equal((await bench.store.claim('apr-1', 'late', long, {})).kind, 'done')
        assert.equal(await bench.store.knock('apr-1', { withinMs: 0 }), 'done')
        assert.equal(await bench.store.cancel('apr-1', long), 'done')
      })
      await start.after(bench.span, async () => {
        assert.equal(await bench.store.get('apr-1'), null)
        assert.equal((await bench.store.claim('apr-1', 'late', long, {})).kind, 'unknown')
        assert.equal(await bench.store.knock('apr-1', { withinMs: 0 }), 'unknown')
        assert.equal(await bench.store.cancel('apr-1', long), 'unknown')
      })
    },
  ],
  [
    'an id added again after its tombstone is a new life, which nothing of the first one touches',
    async (bench) => {
      await bench.add('apr-1')
      await bench.finish('apr-1', { retentionMs: 1, result: '1' })
      await bench.pass(2)
      await bench.add('apr-1', { details: '{"second":true}' })
      assert.equal(await bench.store.complete('apr-1', 'finisher', { outcome: 'approved', result: null }, long), 'lost')
      const { record, sealed, starts } = await bench.claim('apr-1', 'a')
      assert.deepEqual(
        { details: record.details, sealed, starts },
        { details: '{"second":true}', sealed: null, starts: 0 },
      )
      await bench.pass(5)
      assert.equal((await bench.store.get('apr-1'))?.state, 'claimed')
    },
  ],
  [
    'open records are listed oldest due first; parked and done ones and reservations are not among them',
    async (bench) => {
      for (const [id, dueInMs] of [
        ['apr-1', 5_000],
        ['apr-2', 1_000],
        ['apr-3', 3_000],
      ] as const) {
        await bench.add(id, { dueInMs })
      }
      for (const id of ['parked', 'done']) await bench.add(id, { dueInMs: 10 })
      await bench.park('parked')
      await bench.finish('done')
      await bench.reserve('ref-1', 10)
      const { items, cursor } = await bench.store.list({ state: 'open', limit: 10 })
      assert.deepEqual(ids({ items, cursor }), ['apr-2', 'apr-3', 'apr-1'])
      assert.equal(cursor, null)
      assert.deepEqual(
        items.map(({ state }) => state),
        ['pending', 'pending', 'pending'],
      )
    },
  ],
  ...(['open', 'parked'] as const).map(
    (state): Case => [
      `pages of ${state} records hold each of them once, and no more than were asked for`,
      async (bench) => {
        const expected: string[] = []
        for (let index = 0; index < 12; index++) {
          const id = `apr-${index}`
          expected.push(id)
          await bench.add(id, { dueInMs: long + (index % 3) * 1_000 })
          if (state === 'parked') await bench.park(id)
        }
        for (const limit of [1, 5, 6, 12, 100]) {
          const found: string[] = []
          let cursor: string | undefined
          do {
            const page: Page<Snapshot> = await bench.store.list({ state, limit, cursor })
            assert.ok(page.items.length <= limit, `a page of ${page.items.length} items where the limit is ${limit}`)
            found.push(...ids(page))
            assert.ok(found.length <= expected.length, 'a record came twice')
            cursor = page.cursor ?? undefined
          } while (cursor !== undefined)
          assert.deepEqual(found.sort(), expected.toSorted())
        }
      },
    ],
  ),
  [
    'an empty store lists nothing',
    async ({ store }) => {
      assert.deepEqual(await store.list({ state: 'open', limit: 10 }), { items: [], cursor: null })
      assert.deepEqual(await store.list({ state: 'parked', limit: 10 }), { items: [], cursor: null })
      assert.deepEqual(await store.reservations({ limit: 10 }), { items: [], cursor: null })
    },
  ],
  [
    'stats count open records, reservations and parked ones',
    async (bench) => {
      assert.deepEqual(await bench.store.stats(), { open: 0, parked: 0, overdueMs: 0 })
      for (const id of ['apr-1', 'apr-2', 'apr-3', 'apr-4']) await bench.add(id)
      await bench.claim('apr-1', 'a')
      await bench.park('apr-2')
      await bench.finish('apr-3')
      await bench.reserve('ref-1')
      await bench.reserve('ref-2')
      await bench.bind('ref-2', 'apr-5')
      assert.deepEqual(await bench.store.stats(), { open: 4, parked: 1, overdueMs: 0 })
    },
  ],
  [
    'stats tell how long the oldest key has been due',
    async (bench) => {
      const start = bench.mark()
      await bench.add('apr-1', { dueInMs: 0 })
      await bench.reserve('ref-1', bench.span)
      await bench.pass(bench.span)
      start.age((await bench.store.stats()).overdueMs)
      await bench.store.takeDue(10, long)
      assert.equal((await bench.store.stats()).overdueMs, 0)
    },
  ],
  [
    'the next due time is that of the earliest record or reservation, 0 where one is due, null where nothing is open',
    async (bench) => {
      assert.equal(await bench.store.nextDueInMs(), null)
      await bench.add('parked', { dueInMs: 0 })
      await bench.park('parked')
      assert.equal(await bench.store.nextDueInMs(), null)
      const first = bench.mark()
      await bench.add('apr-1', { dueInMs: long })
      first.left((await bench.store.nextDueInMs()) ?? Number.NaN, long)
      const second = bench.mark()
      await bench.reserve('ref-1', long / 2)
      second.left((await bench.store.nextDueInMs()) ?? Number.NaN, long / 2)
      await bench.add('apr-2', { dueInMs: 0 })
      assert.equal(await bench.store.nextDueInMs(), 0)
      await bench.pass(5)
      assert.equal(await bench.store.nextDueInMs(), 0)
    },
  ],
  [
    'a check answers with warnings, and closing twice is fine',
    async ({ store }) => {
      const warnings = await store.check()
      assert.ok(warnings.every((warning) => typeof warning === 'string'))
      await store.close()
      await store.close()
    },
  ],
]

function ids(page: Page<Snapshot>): string[] {
  return page.items.map((item) => (item.state === 'done' ? item.tombstone.id : item.record.id))
}
