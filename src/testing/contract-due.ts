import assert from 'node:assert/strict'
import { type Case, long } from './contract-bench.js'

/** What is due, who gets it, and what happens when many want the same. */
export const dueCases: readonly Case[] = [
  [
    'an empty store has nothing due',
    async ({ store }) => {
      assert.deepEqual(await store.takeDue(10, long), [])
    },
  ],
  [
    'what is due is handed out oldest first, as many as asked for',
    async (bench) => {
      await bench.add('apr-3', { dueInMs: bench.span })
      await bench.reserve('ref-1', 0)
      await bench.add('apr-4', { dueInMs: long })
      await bench.add('apr-2', { dueInMs: bench.span / 2 })
      await bench.pass(bench.span)
      assert.deepEqual(await bench.due(2), ['reservation:ref-1', 'approval:apr-2'])
      assert.deepEqual(await bench.due(2), ['approval:apr-3'])
      assert.deepEqual(await bench.due(2), [])
    },
  ],
  [
    'a record is due when its time has come, and not earlier',
    async (bench) => {
      const start = bench.mark()
      await bench.add('apr-1', { dueInMs: bench.span })
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'a key that was handed out comes again when its taker has had so long for it, and not earlier',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      const start = bench.mark()
      assert.deepEqual(await bench.store.takeDue(1, bench.span), [{ kind: 'approval', id: 'apr-1' }])
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'handing out a key is no claim of the record',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      await bench.store.takeDue(1, long)
      assert.equal((await bench.store.get('apr-1'))?.state, 'pending')
      await bench.claim('apr-1', 'a')
    },
  ],
  [
    'a key that was handed out and then released is due when the release says',
    async (bench) => {
      await bench.add('apr-1', { dueInMs: 0 })
      await bench.store.takeDue(1, long)
      await bench.claim('apr-1', 'a')
      const start = bench.mark()
      await bench.store.release('apr-1', 'a', { dueInMs: bench.span, notBeforeMs: 0 })
      await start.before(bench.span, async () => assert.deepEqual(await bench.due(), []))
      await start.at(bench.span, async () => assert.deepEqual(await bench.due(), ['approval:apr-1']))
    },
  ],
  [
    'many records that move back and forth are each handed out once, in the end',
    async (bench) => {
      const ids = Array.from({ length: 60 }, (_, index) => `apr-${index}`)
      for (const id of ids) await bench.add(id)
      for (const [index, id] of ids.entries()) {
        await bench.store.knock(id, { withinMs: long / 2 + index })
        await bench.claim(id, 'a')
        if (index % 3 === 0) await bench.store.complete(id, 'a', { outcome: 'expired', result: null }, long)
        else if (index % 3 === 1) await bench.store.park(id, 'a', 'unconfirmed', '')
        else await bench.store.release(id, 'a', { dueInMs: 0, notBeforeMs: 0 })
      }
      for (const [index, id] of ids.entries()) if (index % 6 === 1) await bench.store.retry(id)
      const expected = ids.filter((_, index) => index % 3 === 2 || index % 6 === 1).map((id) => `approval:${id}`)
      assert.deepEqual((await bench.due()).sort(), expected.sort())
      assert.deepEqual(await bench.due(), [])
    },
  ],
]
