import assert from 'node:assert/strict'
import type { Entry, Store } from '../index.js'
import { type Bench, keysOf, long, type Rules } from './contract-bench.js'

/** Rules of retention and of store time, and the shape of a store. */
export const keepingCases: Rules = {
  async 'an entry expires after keepMs, and not before'(bench) {
    await bench.put('a:long', {}, { keepMs: long })
    const keepMs = 40
    const before = await bench.now()
    const entry = await bench.put('a:short', {}, { keepMs })
    if (bench.exact) {
      await bench.until(before + keepMs - 1)
      await bench.shows('a:short', entry)
    }
    await gone(bench, 'a:short', keepMs)
    await bench.stored('a:long')
  },
  async 'after keepMs the key is free: expected null succeeds, the old stamp does not'(bench) {
    const old = await bench.put('a:apr-1', {}, { keepMs: 20 })
    await gone(bench, 'a:apr-1', 20)
    assert.equal(await bench.store.write('a:apr-1', old.stamp, bench.entry()), false)
    await bench.shows('a:apr-1', await bench.put('a:apr-1', {}, { intake: true }))
  },
  async 'before keepMs is over the key is in use, and a write over the stamp succeeds'(bench) {
    const entry = await bench.put('a:apr-1', {}, { keepMs: long })
    assert.equal(await bench.store.write('a:apr-1', null, bench.entry()), false)
    await bench.shows('a:apr-1', entry)
    await bench.shows('a:apr-1', await bench.replace('a:apr-1', entry))
  },
  async 'an entry with keepMs is due and listed like any other, and leaves the indexes when it expires'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: 1, parkedAt: 1 }, { keepMs: long })
    assert.deepEqual(await bench.pages('parked'), [{ key: 'a:apr-1', entry }])
    assert.deepEqual(await bench.takeAll(), ['a:apr-1'])
    await bench.put('a:apr-2', { dueAt: 1, parkedAt: 1 }, { keepMs: 20 })
    await gone(bench, 'a:apr-2', 20)
    assert.deepEqual(await bench.takeAll(), [])
    assert.deepEqual([await bench.keys('due'), await bench.keys('parked')], [['a:apr-1'], ['a:apr-1']])
    const { open, parked } = await bench.store.count()
    assert.deepEqual([open, parked], [1, 1])
  },
  async 'taking an entry does not change when it expires'(bench) {
    await bench.put('a:apr-1', { dueAt: 1 }, { keepMs: 40 })
    await bench.put('a:apr-2', { dueAt: 2 }, { keepMs: long })
    await bench.takeAll()
    await gone(bench, 'a:apr-1', 40)
    await bench.stored('a:apr-2')
  },
  async 'a repeated write does not extend keepMs'(bench) {
    const keepMs = 60
    const first = await bench.put('a:apr-1')
    const second = bench.entry()
    assert.equal(await bench.store.write('a:apr-1', first.stamp, second, { keepMs }), true)
    const latest = (await bench.now()) + keepMs
    await bench.pass(keepMs / 2)
    const repeated = await bench.store.write('a:apr-1', first.stamp, second, { keepMs })
    if (bench.exact) assert.equal(repeated, true)
    await bench.until(latest + 1)
    await bench.shows('a:apr-1', null)
  },
  async 'a write without keepMs over an entry with keepMs never expires'(bench) {
    for (let keepMs = 200; ; keepMs *= 5) {
      const key = `a:${keepMs}`
      const end = (await bench.now()) + keepMs
      const tombstone = await bench.put(key, {}, { keepMs })
      const open = bench.entry({ dueAt: end + long })
      const written = await bench.store.write(key, tombstone.stamp, open)
      // On a slow store the tombstone may have expired: try again with more time.
      if (!written && keepMs < long && (await bench.store.read(key)).entry === null) continue
      assert.equal(written, true)
      await bench.until((await bench.now()) + keepMs + 1)
      await bench.shows(key, open)
      assert.deepEqual(await bench.keys('due'), [key])
      return
    }
  },
  async 'a later keepMs replaces an earlier one'(bench) {
    const first = await bench.put('a:apr-1', {}, { keepMs: long })
    assert.equal(await bench.store.write('a:apr-1', first.stamp, bench.entry(), { keepMs: 20 }), true)
    await gone(bench, 'a:apr-1', 20)
  },
  async 'open entries never expire, however many and however old'(bench) {
    const keys = keysOf(600)
    const now = await bench.now()
    // One third due, one third parked, one third in no index.
    const place = (at: number): Partial<Entry> => [{ dueAt: now + at }, { parkedAt: now + at }][at % 3] ?? {}
    for (let start = 0; start < keys.length; start += 50)
      await Promise.all(keys.slice(start, start + 50).map((key, at) => bench.put(key, place(start + at))))
    if (bench.exact) await bench.pass(400 * 86_400_000)
    const found = await Promise.all(keys.map((key) => bench.store.read(key)))
    assert.equal(found.filter(({ entry }) => entry !== null).length, keys.length)
    const { open, parked } = await bench.store.count()
    assert.deepEqual([open, parked], [200, 200])
  },
  async 'now is in whole milliseconds and never runs backwards, across all methods'(bench) {
    const { store } = bench
    let last = await bench.now()
    const entry = await bench.put('a:apr-1', { dueAt: last })
    const [take, list] = [() => store.takeDue(1, 1), () => store.list('due', { limit: 1 })]
    const steps = [take, list, () => store.count(), () => store.write('a:apr-1', null, entry), () => bench.pass(3)]
    for (const step of [...steps, ...steps, ...steps]) {
      await step()
      const now = await bench.now('a:apr-1')
      assert.ok(now >= last, `now was ${last}, and is ${now}`)
      last = now
    }
  },
  async 'the methods work without their object'(bench) {
    const { read, write, takeDue, list, count, remove }: Store = bench.store
    const entry = bench.entry({ dueAt: 1 })
    assert.equal(await write('a:apr-1', null, entry), true)
    assert.deepEqual((await read('a:apr-1')).entry, entry)
    assert.deepEqual((await list('due', { limit: 1 })).items, [{ key: 'a:apr-1', entry }])
    assert.deepEqual((await takeDue(1, long)).keys, ['a:apr-1'])
    assert.equal((await count()).open, 1)
    assert.equal(await remove('a:apr-1', ''), false)
  },
  async 'check, if present, resolves with texts each time'({ store }) {
    for (let times = 0; times < 2; times++) {
      const warnings = (await store.check?.()) ?? []
      assert.ok(Array.isArray(warnings) && warnings.every((each) => typeof each === 'string'))
    }
  },
  async 'close, if present, can be called twice'(bench) {
    await bench.put('a:apr-1')
    await bench.store.close?.()
    await bench.store.close?.()
  },
}

/** Asserts that an entry that was just written expires on time. */
async function gone(bench: Bench, key: string, keepMs: number): Promise<void> {
  await bench.until((await bench.now()) + keepMs + 1)
  await bench.shows(key, null)
}
