import assert from 'node:assert/strict'
import type { Entry } from '../index.js'
import { assertBetween, type Bench, keysOf, long, type Rules } from './contract-bench.js'

const indexes = ['due', 'parked'] as const

/** Rules of the operators' view: pages of both indexes, counts, and unreadable entries. */
export const listCases: Rules = {
  ...indexRules('due', 'dueAt', 'parkedAt'),
  ...indexRules('parked', 'parkedAt', 'dueAt'),
  async 'a write moves an entry from one index to the other'(bench) {
    let entry = await bench.put('a:apr-1', { dueAt: 1 })
    const moves: readonly Partial<Entry>[] = [{ parkedAt: 2 }, { dueAt: 3, parkedAt: 4 }, { dueAt: 5 }, {}]
    for (const { dueAt = null, parkedAt = null } of moves) {
      entry = await bench.replace('a:apr-1', entry, { dueAt, parkedAt })
      assert.deepEqual(await bench.keys('due'), dueAt === null ? [] : ['a:apr-1'])
      assert.deepEqual(await bench.keys('parked'), parkedAt === null ? [] : ['a:apr-1'])
    }
  },
  async 'count returns the sizes of both indexes, which start empty, and how long the oldest key is overdue'(bench) {
    assert.deepEqual(await bench.store.count(), { open: 0, parked: 0, overdueMs: 0 })
    for (const index of indexes)
      assert.deepEqual(await bench.store.list(index, { limit: 10 }), { items: [], cursor: null })
    const before = await bench.now()
    await bench.put('a:future', { dueAt: before + long })
    await bench.put('a:parked-1', { parkedAt: 1 })
    await bench.put('a:parked-2', { parkedAt: 2 })
    await bench.put('a:none')
    assert.deepEqual(await bench.store.count(), { open: 1, parked: 2, overdueMs: 0 })
    await bench.put('a:due-1', { dueAt: before - 1_000 })
    await bench.put('a:due-2', { dueAt: before - 5_000 })
    const { overdueMs, ...counts } = await bench.store.count()
    assert.deepEqual(counts, { open: 3, parked: 2 })
    assertBetween(overdueMs, 5_000, (await bench.now()) - before + 5_000, 'overdueMs')
    await bench.takeAll()
    assert.deepEqual(await bench.store.count(), { open: 3, parked: 2, overdueMs: 0 })
  },
  async 'remove is false for a readable or absent entry, and changes nothing'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: 1, parkedAt: 1 })
    for (const digest of ['', entry.stamp, 'null', 'a'.repeat(64)]) {
      assert.equal(await bench.store.remove('a:apr-1', digest), false)
      assert.equal(await bench.store.remove('a:apr-2', digest), false)
    }
    await bench.shows('a:apr-1', entry)
    await bench.shows('a:apr-2', null)
    assert.deepEqual([await bench.keys('due'), await bench.keys('parked')], [['a:apr-1'], ['a:apr-1']])
  },
  async 'read returns the same digest of an unreadable entry each time, and no write replaces the entry'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: 1, parkedAt: 1 })
    const digest = await damaged(bench, 'a:apr-1')
    if (digest === null) return
    for (const expected of [null, entry.stamp, digest])
      assert.equal(await bench.store.write('a:apr-1', expected, bench.entry()), false, `expected ${expected}`)
    const { entry: nothing, unreadable } = await bench.store.read('a:apr-1')
    assert.deepEqual([nothing, unreadable], [null, digest])
  },
  async 'list returns unreadable entries as null, among the readable ones'(bench) {
    await bench.put('a:apr-1', { dueAt: 1, parkedAt: 1 })
    const entry = await bench.put('a:apr-2', { dueAt: 1, parkedAt: 1 })
    if ((await damaged(bench, 'a:apr-1')) === null) return
    for (const index of indexes) {
      const listed = new Map((await bench.pages(index)).map((item) => [item.key, item.entry]))
      assert.deepEqual(Object.fromEntries(listed), { 'a:apr-1': null, 'a:apr-2': entry })
    }
  },
  async 'remove deletes an unreadable entry if the digest matches, and the key is free again'(bench) {
    await bench.put('a:apr-1', { dueAt: 1, parkedAt: 1 })
    const digest = await damaged(bench, 'a:apr-1')
    if (digest === null) return
    assert.equal(await bench.store.remove('a:apr-1', `${digest}0`), false, 'remove with another digest')
    assert.equal((await bench.store.read('a:apr-1')).unreadable, digest)
    assert.equal(await bench.store.remove('a:apr-1', digest), true, 'remove with the digest that read showed')
    assert.equal(await bench.store.remove('a:apr-1', digest), false, 'remove once more')
    await bench.shows('a:apr-1', null)
    assert.deepEqual([await bench.keys('due'), await bench.keys('parked')], [[], []])
    await bench.shows('a:apr-1', await bench.put('a:apr-1'))
  },
}

function indexRules(index: 'due' | 'parked', field: 'dueAt' | 'parkedAt', other: 'dueAt' | 'parkedAt'): Rules {
  return {
    async [`list returns the ${index} index oldest first, page by page, with the entries of read`](bench) {
      const now = await bench.now()
      const keys = keysOf(10)
      const entries = new Map<string, Entry>()
      for (const [position, key] of keys.entries())
        entries.set(key, await bench.put(key, { [field]: now - long + ((position * 3) % 10) * 1_000 }))
      await bench.put('a:other', { [other]: now })
      await bench.put('a:none')
      const ordered = keys.map((_, position) => keys[(position * 7) % 10] ?? '')
      const expected = ordered.map((key) => ({ key, entry: entries.get(key) }))
      for (const limit of [1, 3, 10, 500]) assert.deepEqual(await bench.pages(index, limit), expected, `limit ${limit}`)
    },
    async [`each entry that stays in the ${index} index is listed once while others are added and removed`](bench) {
      // Several entries share a time, so that a page may end between equal times.
      const at = (position: number): number => Math.floor(position / 6) * 1_000
      const keys = keysOf(24)
      const entries = new Map<string, Entry>()
      for (const [position, key] of keys.entries()) entries.set(key, await bench.put(key, { [field]: at(position) }))
      const leave = async (key = ''): Promise<void> => {
        const entry = entries.get(key)
        if (entry === undefined) return
        entries.delete(key)
        await bench.replace(key, entry, { [field]: key.endsWith('1') ? long : null })
      }
      let page = 0
      const listed = await bench.pages(index, 4, async (seen) => {
        // Removes entries that were listed, the last of the page included, and one that was not listed yet.
        await leave(seen.at(-1))
        await leave(seen.at(0))
        await leave(keys.at(-1 - page))
        await bench.put(`a:new-${page}`, { [field]: at(page * 6) })
        page++
      })
      for (const key of entries.keys())
        assert.equal(listed.filter((item) => item.key === key).length, 1, `how often ${key} is listed`)
    },
    async [`a cursor of the other list, or an unknown one, is refused with argument-invalid: ${index}`](bench) {
      for (const key of keysOf(4)) await bench.put(key, { dueAt: 1, parkedAt: 1 })
      const { cursor } = await bench.store.list(index === 'due' ? 'parked' : 'due', { limit: 2 })
      assert.ok(cursor !== null, 'a page before the last has a cursor')
      for (const wrong of [cursor, '', 'next', '1', '🔑', 'a:apr-1', 'x'.repeat(5_000)]) {
        const list = () => bench.store.list(index, { limit: 2, cursor: wrong })
        await assert.rejects(list, { code: 'argument-invalid' }, `list(${index}) with cursor ${wrong.slice(0, 40)}`)
      }
    },
  }
}

/** Damages the entry under a key. Returns the digest that `read` gives; `null` if the harness cannot damage entries. */
async function damaged(bench: Bench, key: string): Promise<string | null> {
  if (bench.damage === undefined) return null
  await bench.damage(key)
  const { entry, unreadable } = await bench.store.read(key)
  assert.equal(entry, null, 'read: an unreadable entry is null')
  assert.ok(typeof unreadable === 'string' && unreadable !== '', 'read: a digest of the unreadable entry')
  return unreadable
}
