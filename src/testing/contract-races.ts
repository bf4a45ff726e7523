import assert from 'node:assert/strict'
import { maxCandidates } from '../index.js'
import { approved, type Case, long, newDraft, newRecord } from './contract-bench.js'

const many = 64

/** Many at once, and exactly one of them wins. */
export const raceCases: readonly Case[] = [
  [
    'of many that add the same id one adds it, and its record stands',
    async ({ store }) => {
      const answers = await race((index) =>
        store.add(newRecord('apr-1', { details: `${index}` }), { dueInMs: long, sealed: `${index}` }),
      )
      assert.deepEqual(tally(answers), { added: 1, exists: many - 1 })
      const snapshot = await store.get('apr-1')
      assert.ok(snapshot?.state === 'pending')
      const winner = `${answers.indexOf('added')}`
      assert.deepEqual([snapshot.record.details, snapshot.sealed], [winner, winner])
    },
  ],
  [
    'of many that reserve the same reference one reserves it, and its draft stands',
    async ({ store }) => {
      const answers = await race(async (index) => {
        const draft = newDraft({ ref: 'ref-1', details: `${index}` })
        return (await store.reserve('ref-1', draft, { dueInMs: long })).kind
      })
      assert.deepEqual(tally(answers), { reserved: 1, open: many - 1 })
      assert.equal((await store.reservation('ref-1'))?.draft.details, `${answers.indexOf('reserved')}`)
    },
  ],
  [
    'of many ids one is bound to a reference, and only that one exists',
    async (bench) => {
      await bench.reserve('ref-1')
      const answers = await race((index) => bench.store.bind('ref-1', `apr-${index}`, { dueInMs: long }))
      assert.deepEqual(tally(answers), { bound: 1, conflict: many - 1 })
      const found = await race((index) => bench.store.get(`apr-${index}`))
      assert.deepEqual(
        found.map((snapshot) => snapshot !== null),
        answers.map((answer) => answer === 'bound'),
      )
      assert.equal((await bench.store.stats()).open, 1)
    },
  ],
  [
    'of many references one is bound to an id, and the others stay reserved',
    async (bench) => {
      await race((index) => bench.reserve(`ref-${index}`))
      const answers = await race((index) => bench.store.bind(`ref-${index}`, 'apr-1', { dueInMs: long }))
      assert.deepEqual(tally(answers), { bound: 1, conflict: many - 1 })
      const { record } = await bench.claim('apr-1', 'a')
      assert.equal(record.ref, `ref-${answers.indexOf('bound')}`)
      assert.equal((await bench.store.reservations({ limit: many })).items.length, many - 1)
    },
  ],
  [
    `of many candidates a reservation holds ${maxCandidates}`,
    async (bench) => {
      await bench.reserve('ref-1')
      const answers = await race((index) => bench.store.hold('ref-1', `apr-${index}`))
      assert.deepEqual(tally(answers), { held: maxCandidates, full: many - maxCandidates })
      assert.equal((await bench.store.reservation('ref-1'))?.candidates.length, maxCandidates)
    },
  ],
  [
    'of many that claim a record one gets it',
    async (bench) => {
      await bench.add('apr-1')
      const answers = await race(
        async (index) => (await bench.store.claim('apr-1', `${index}`, long, { knock: index % 2 === 0 })).kind,
      )
      assert.deepEqual(tally(answers), { claimed: 1, held: many - 1 })
      const winner = answers.indexOf('claimed')
      const extended = await race((index) => bench.store.extend('apr-1', `${index}`, long))
      assert.deepEqual(tally(extended), { extended: 1, lost: many - 1 })
      assert.equal(extended[winner], 'extended')
    },
  ],
  [
    'of many that take over a lapsed claim one gets it, and the fence rises by one',
    async (bench) => {
      await bench.add('apr-1')
      const { fence } = await bench.claim('apr-1', 'old', 1)
      await bench.pass(1)
      const answers = await race((index) => bench.store.claim('apr-1', `${index}`, long, {}))
      assert.deepEqual(tally(answers.map(({ kind }) => kind)), { claimed: 1, held: many - 1 })
      const winner = answers.find((answer) => answer.kind === 'claimed')
      assert.equal(winner?.fence, fence + 1)
    },
  ],
  [
    'parallel takers get different keys, and nothing is left over',
    async (bench) => {
      const expected = await race(async (index) => {
        if (index % 2 === 0) {
          await bench.add(`apr-${index}`, { dueInMs: 0 })
          return `approval:apr-${index}`
        }
        await bench.reserve(`ref-${index}`, 0)
        return `reservation:ref-${index}`
      })
      const taken = (await race(() => bench.due(3))).flat()
      assert.deepEqual(taken.sort(), expected.sort())
    },
  ],
  [
    'of many seals by one token the first stands, and one start is counted',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      const answers = await race((index) => bench.store.seal('apr-1', 'a', `${index}`))
      for (const answer of answers) assert.deepEqual(answer, answers[0])
      assert.equal(answers[0]?.kind === 'sealed' && answers[0].starts, 1)
    },
  ],
  [
    'of many that seal, complete or park only the holder succeeds',
    async (bench) => {
      for (const id of ['seal', 'complete', 'park']) {
        await bench.add(id)
        await bench.claim(id, '17')
      }
      const seals = await race((index) => bench.store.seal('seal', `${index}`, approved))
      const completions = await race((index) =>
        bench.store.complete('complete', `${index}`, { outcome: 'approved', result: `${index}` }, long),
      )
      const parks = await race((index) => bench.store.park('park', `${index}`, 'edit-invalid', `${index}`))
      assert.deepEqual(tally(seals.map(({ kind }) => kind)), { sealed: 1, lost: many - 1 })
      assert.deepEqual(tally(completions), { done: 1, lost: many - 1 })
      assert.deepEqual(tally(parks), { parked: 1, lost: many - 1 })
      const [done, parked] = [await bench.store.get('complete'), await bench.store.get('park')]
      assert.equal(done?.state === 'done' && done.tombstone.result, '17')
      assert.equal(parked?.state === 'parked' && parked.note, '17')
    },
  ],
  [
    'of a completion, a release and a park by one holder one happens',
    async (bench) => {
      await race((index) => bench.add(`apr-${index}`))
      const answers = await race(async (index) => {
        const id = `apr-${index}`
        await bench.claim(id, 'a')
        return Promise.all([
          bench.store.release(id, 'a', { dueInMs: long, notBeforeMs: 0 }),
          bench.store.complete(id, 'a', { outcome: 'approved', result: null }, long),
          bench.store.park(id, 'a', 'edit-invalid', ''),
        ])
      })
      for (const [index, each] of answers.entries()) {
        assert.equal(each.filter((answer) => answer !== 'lost').length, 1, each.join())
        const state = { released: 'pending', done: 'done', parked: 'parked', lost: '' }
        const expected = each.map((answer) => state[answer]).join('')
        assert.equal((await bench.store.get(`apr-${index}`))?.state, expected)
      }
    },
  ],
  [
    'of a claim and a cancel one happens',
    async (bench) => {
      await race((index) => bench.add(`apr-${index}`))
      const answers = await race((index) =>
        Promise.all([
          index % 2 === 0 ? bench.store.cancel(`apr-${index}`, long) : null,
          bench.store.claim(`apr-${index}`, 'a', long, {}),
          index % 2 === 1 ? bench.store.cancel(`apr-${index}`, long) : null,
        ]),
      )
      for (const [before, { kind }, after] of answers) {
        assert.equal(before ?? after, kind === 'claimed' ? 'held' : 'cancelled')
      }
    },
  ],
  [
    'of many retries and cancels of a parked record one happens',
    async (bench) => {
      for (const id of ['retry', 'cancel']) {
        await bench.add(id)
        await bench.park(id)
      }
      const retries = await race(() => bench.store.retry('retry'))
      const cancels = await race(() => bench.store.cancel('cancel', long))
      assert.deepEqual(tally(retries), { pending: 1, 'not-parked': many - 1 })
      assert.deepEqual(tally(cancels), { cancelled: 1, done: many - 1 })
    },
  ],
  [
    'of many releases by one token one gives the start back',
    async (bench) => {
      await bench.add('apr-1')
      await bench.claim('apr-1', 'a')
      await bench.store.seal('apr-1', 'a', approved)
      await bench.store.release('apr-1', 'a', { dueInMs: 0, notBeforeMs: 0 })
      await bench.claim('apr-1', 'b')
      await bench.store.seal('apr-1', 'b', approved)
      const answers = await race(() =>
        bench.store.release('apr-1', 'b', { dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true }),
      )
      assert.deepEqual(tally(answers), { released: many })
      assert.equal((await bench.claim('apr-1', 'c')).starts, 1)
    },
  ],
]

function race<Answer>(call: (index: number) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: many }, (_, index) => call(index)))
}

function tally(answers: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}
