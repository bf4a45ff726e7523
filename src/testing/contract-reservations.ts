import assert from 'node:assert/strict'
import { maxCandidates, type Page, type Reservation } from '../index.js'
import { approved, assertRecord, type Case, long, newDraft, newRecord } from './contract-bench.js'

/** From a reference of our own to the id that the API gave. */
export const reservationCases: readonly Case[] = [
  [
    'a reservation reads as it was made',
    async (bench) => {
      const start = bench.mark()
      await bench.reserve('ref-1')
      await bench.pass(5)
      const reservation = await bench.store.reservation('ref-1')
      assert.ok(reservation !== null)
      const { ageMs, draft, ...rest } = reservation
      assert.deepEqual({ ...draft }, newDraft({ ref: 'ref-1' }))
      assert.deepEqual(rest, { ref: 'ref-1', candidates: [] })
      start.age(ageMs)
      assert.equal(await bench.store.reservation('ref-2'), null)
    },
  ],
  [
    'reserving again answers open and changes nothing',
    async (bench) => {
      await bench.reserve('ref-1')
      const other = newDraft({ ref: 'ref-1', details: '{}' })
      assert.deepEqual(await bench.store.reserve('ref-1', other, { dueInMs: 0 }), { kind: 'open' })
      assert.equal((await bench.store.reservation('ref-1'))?.draft.details, newDraft().details)
      assert.deepEqual(await bench.due(), [])
    },
  ],
  [
    'a bound reservation is a pending record with its draft, its reference and its age',
    async (bench) => {
      const start = bench.mark()
      await bench.reserve('ref-1', 0)
      await bench.pass(5)
      const bound = bench.mark()
      await bench.bind('ref-1', 'apr-1')
      bound.left(await bench.dueIn('apr-1'), long)
      assert.deepEqual(await bench.due(), [])
      assert.equal(await bench.store.reservation('ref-1'), null)
      assert.deepEqual((await bench.store.reservations({ limit: 10 })).items, [])
      assert.deepEqual(await bench.store.claim('apr-1', 'b', long, { ref: 'ref-2' }), { kind: 'foreign' })
      const { record, sealed, ageMs } = await bench.claim('apr-1', 'a', long, { ref: 'ref-1' })
      assertRecord(record, newRecord('apr-1', { ref: 'ref-1' }))
      assert.equal(sealed, null)
      start.age(ageMs)
    },
  ],
  [
    'a reservation may be bound together with its decision',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.bind('ref-1', 'apr-1', { sealed: approved, dueInMs: 0 })
      assert.deepEqual(await bench.due(), ['approval:apr-1'])
      const { sealed, starts } = await bench.claim('apr-1', 'a')
      assert.deepEqual({ sealed, starts }, { sealed: approved, starts: 0 })
    },
  ],
  [
    'a reservation bound to an id that a callback named is due at once, and one bound to another id is not',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.reserve('ref-2')
      await bench.store.hold('ref-1', 'apr-1')
      await bench.store.hold('ref-2', 'apr-9')
      await bench.bind('ref-1', 'apr-1')
      await bench.bind('ref-2', 'apr-2')
      assert.deepEqual(await bench.due(), ['approval:apr-1'])
    },
  ],
  [
    'a reservation may be bound as parked with its decision: not due, not claimable, and a person may let it run',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.store.hold('ref-1', 'apr-1')
      await bench.bind('ref-1', 'apr-1', { sealed: approved, dueInMs: 0, parked: 'adopted' })
      assert.deepEqual(await bench.due(), [])
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { force: true }), {
        kind: 'parked',
        reason: 'adopted',
      })
      const { items } = await bench.store.list({ state: 'parked', limit: 10 })
      assert.deepEqual(
        items.map((each) => (each.state === 'parked' ? [each.record.id, each.reason, each.note] : [])),
        [['apr-1', 'adopted', '']],
      )
      assert.equal(await bench.store.retry('apr-1'), 'pending')
      assert.deepEqual(await bench.due(), ['approval:apr-1'])
      assert.equal((await bench.claim('apr-1', 'b')).sealed, approved)
    },
  ],
  [
    'binding again to the same id answers the same and changes nothing; another id is a conflict',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.bind('ref-1', 'apr-1')
      assert.equal(await bench.store.bind('ref-1', 'apr-1', { dueInMs: 0, sealed: approved }), 'bound')
      assert.equal(await bench.store.bind('ref-1', 'apr-2', { dueInMs: 0 }), 'conflict')
      assert.equal(await bench.store.get('apr-2'), null)
      assert.deepEqual(await bench.due(), [])
      assert.equal((await bench.claim('apr-1', 'a')).sealed, null)
    },
  ],
  [
    'an unknown reference cannot be bound',
    async ({ store }) => {
      assert.equal(await store.bind('ref-1', 'apr-1', { dueInMs: 0 }), 'unknown')
      assert.equal(await store.get('apr-1'), null)
      assert.equal(await store.nextDueInMs(), null)
    },
  ],
  [
    'an id that belongs to another record is a conflict, and both stay as they were',
    async (bench) => {
      await bench.add('added')
      await bench.add('other', { ref: 'ref-0' })
      await bench.reserve('ref-1')
      await bench.bind('ref-1', 'bound')
      await bench.add('done')
      await bench.finish('done')
      await bench.reserve('ref-2')
      for (const id of ['added', 'other', 'bound', 'done']) {
        assert.equal(await bench.store.bind('ref-2', id, { dueInMs: 0, sealed: approved }), 'conflict', id)
      }
      assert.equal((await bench.store.reservation('ref-2'))?.ref, 'ref-2')
      for (const [id, ref] of [
        ['added', null],
        ['other', 'ref-0'],
        ['bound', 'ref-1'],
      ] as const) {
        const { record, sealed } = await bench.claim(id, 'a')
        assert.deepEqual({ ref: record.ref, sealed }, { ref, sealed: null })
      }
      assert.deepEqual(await bench.due(), [])
      await bench.bind('ref-2', 'apr-2')
    },
  ],
  [
    'a bound reference answers with its id while the record is pending, claimed, parked or done',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.bind('ref-1', 'apr-1')
      const again = () => bench.store.reserve('ref-1', newDraft({ ref: 'ref-1' }), { dueInMs: 0 })
      const bound = { kind: 'bound', id: 'apr-1' }
      assert.deepEqual(await again(), bound)
      await bench.claim('apr-1', 'a')
      assert.deepEqual(await again(), bound)
      await bench.store.park('apr-1', 'a', 'edit-invalid', '')
      assert.deepEqual(await again(), bound)
      await bench.store.retry('apr-1')
      await bench.finish('apr-1')
      assert.deepEqual(await again(), bound)
      assert.equal(await bench.store.bind('ref-1', 'apr-1', { dueInMs: 0 }), 'bound')
      assert.equal(await bench.store.bind('ref-1', 'apr-2', { dueInMs: 0 }), 'conflict')
      assert.equal(await bench.store.nextDueInMs(), null)
    },
  ],
  [
    `a reservation remembers ${maxCandidates} candidate ids, oldest first, each once`,
    async (bench) => {
      await bench.reserve('ref-1')
      const candidates = Array.from({ length: maxCandidates }, (_, index) => `apr-${9 - index}`)
      for (const id of candidates) assert.equal(await bench.store.hold('ref-1', id), 'held')
      assert.equal(await bench.store.hold('ref-1', 'apr-0'), 'full')
      assert.equal(await bench.store.hold('ref-1', candidates[1] ?? ''), 'held')
      assert.deepEqual((await bench.store.reservation('ref-1'))?.candidates, candidates)
    },
  ],
  [
    'a candidate is no record: it cannot be claimed, and belongs to nobody',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.store.hold('ref-1', 'apr-1')
      await bench.store.hold('ref-1', 'apr-2')
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { ref: 'ref-1' }), { kind: 'unknown' })
      assert.equal(await bench.store.get('apr-1'), null)
      await bench.add('apr-1')
      await bench.bind('ref-1', 'apr-2')
      assert.deepEqual(await bench.store.claim('apr-1', 'a', long, { ref: 'ref-1' }), { kind: 'foreign' })
    },
  ],
  [
    'a bound reference holds no candidate, and can be neither discarded nor postponed',
    async (bench) => {
      await bench.reserve('ref-1')
      await bench.bind('ref-1', 'apr-1')
      assert.equal(await bench.store.hold('ref-1', 'apr-1'), 'bound')
      assert.equal(await bench.store.hold('ref-1', 'apr-2'), 'bound')
      assert.equal(await bench.store.discard('ref-1'), 'bound')
      assert.equal(await bench.store.postpone('ref-1', 0), 'bound')
      assert.deepEqual(await bench.due(), [])
      await bench.claim('apr-1', 'a', long, { ref: 'ref-1' })
    },
  ],
  [
    'an unknown reference holds nothing, and can be neither discarded nor postponed',
    async ({ store }) => {
      assert.equal(await store.hold('ref-1', 'apr-1'), 'unknown')
      assert.equal(await store.discard('ref-1'), 'unknown')
      assert.equal(await store.postpone('ref-1', 0), 'unknown')
      assert.equal(await store.reservation('ref-1'), null)
      assert.equal(await store.nextDueInMs(), null)
    },
  ],
  [
    'a discarded reservation is forgotten, and its reference is free',
    async (bench) => {
      await bench.reserve('ref-1', 0)
      await bench.store.hold('ref-1', 'apr-1')
      assert.equal(await bench.store.discard('ref-1'), 'discarded')
      assert.equal(await bench.store.reservation('ref-1'), null)
      assert.deepEqual(await bench.due(), [])
      assert.equal(await bench.store.bind('ref-1', 'apr-1', { dueInMs: 0 }), 'unknown')
      await bench.reserve('ref-1')
      assert.deepEqual((await bench.store.reservation('ref-1'))?.candidates, [])
    },
  ],
  [
    'a reservation that is never bound comes due as a reservation, again and again',
    async (bench) => {
      const start = bench.mark()
      await bench.reserve('ref-1', bench.span)
      await bench.store.hold('ref-1', 'apr-9')
      const take = () => bench.store.takeDue(10, 10)
      await start.before(bench.span, async () => assert.deepEqual(await take(), []))
      const due = [{ kind: 'reservation', ref: 'ref-1' }]
      await start.at(bench.span, async () => assert.deepEqual(await take(), due))
      await bench.pass(10)
      assert.deepEqual(await take(), due)
      await bench.bind('ref-1', 'apr-1')
      await bench.pass(10)
      assert.deepEqual(await take(), [])
    },
  ],
  [
    'a bound reservation comes due as an approval only',
    async (bench) => {
      const start = bench.mark()
      await bench.reserve('ref-1', 0)
      await bench.bind('ref-1', 'apr-1', { dueInMs: bench.span })
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a reservation can be made due later, and earlier',
    async (bench) => {
      await bench.reserve('ref-1', 0)
      const start = bench.mark()
      assert.equal(await bench.store.postpone('ref-1', long), 'postponed')
      assert.deepEqual(await bench.due(), [])
      assert.equal(await bench.store.postpone('ref-1', bench.span), 'postponed')
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['reservation:ref-1']))
    },
  ],
  [
    'pages of reservations hold each of them once, and no more than were asked for',
    async (bench) => {
      const refs = Array.from({ length: 7 }, (_, index) => `ref-${index}`)
      for (const ref of refs) await bench.reserve(ref)
      for (const limit of [1, 3, 7, 100]) {
        const found: string[] = []
        let cursor: string | undefined
        do {
          const page: Page<Reservation> = await bench.store.reservations({ limit, cursor })
          assert.ok(page.items.length <= limit, `a page of ${page.items.length} items where the limit is ${limit}`)
          found.push(...page.items.map(({ ref }) => ref))
          assert.ok(found.length <= refs.length, 'a reservation came twice')
          cursor = page.cursor ?? undefined
        } while (cursor !== undefined)
        assert.deepEqual(found.sort(), refs)
      }
    },
  ],
  [
    'references and ids are different names, even where they are the same text',
    async (bench) => {
      await bench.add('same')
      await bench.reserve('same', 0)
      assert.deepEqual(await bench.due(), ['reservation:same'])
      assert.equal(await bench.store.discard('same'), 'discarded')
      assert.equal((await bench.store.get('same'))?.state, 'pending')
      await bench.reserve('apr-1')
      await bench.bind('apr-1', 'apr-1')
      await bench.claim('apr-1', 'a', long, { ref: 'apr-1' })
    },
  ],
]
