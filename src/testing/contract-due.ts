import assert from 'node:assert/strict'
import { assertBetween, type Bench, keysOf, long, type Rules } from './contract-bench.js'

/** A duration that cases wait out. */
const short = 30

/** Rules of the due index: which keys are taken, by whom, when, and in which order. */
export const dueCases: Rules = {
  async 'takeDue returns no keys, and null, if the due index is empty'(bench) {
    await bench.put('a:apr-1')
    await bench.put('a:apr-2', { parkedAt: 1 })
    assert.deepEqual(await bench.store.takeDue(10, long), { keys: [], nextDueInMs: null })
  },
  async 'a key is taken once it is due, and not before'(bench) {
    const dueAt = (await bench.now()) + short
    await bench.put('a:later', { dueAt: dueAt + long })
    await bench.put('a:apr-1', { dueAt })
    await notBefore(bench, dueAt, 'a:apr-1')
  },
  async 'due keys are taken oldest first, at most limit at a time'(bench) {
    const now = await bench.now()
    const keys = keysOf(12)
    for (const [index, key] of keys.entries())
      await bench.put(key, { dueAt: now - 12_000 + ((index * 5) % 12) * 1_000 })
    const expected = keys.map((_, position) => keys[(position * 5) % 12])
    const first = await bench.store.takeDue(5, long)
    assert.deepEqual(first.keys, expected.slice(0, 5))
    assert.deepEqual(await bench.takeAll(long, 3), expected.slice(5))
  },
  async 'a taken key is hidden from other takers'(bench) {
    const keys = keysOf(5)
    for (const key of keys) await bench.put(key, { dueAt: 1 })
    assert.deepEqual((await bench.takeAll()).sort(), keys)
    assert.deepEqual((await bench.store.takeDue(10, long)).keys, [])
  },
  async 'a hidden key is due again after hideMs, and not before'(bench) {
    await bench.put('a:apr-1', { dueAt: 1 })
    const before = await bench.now()
    assert.deepEqual((await bench.store.takeDue(10, short)).keys, ['a:apr-1'])
    await notBefore(bench, (await bench.now()) + short, 'a:apr-1', before + short)
  },
  async 'hiding sets dueAt to now plus hideMs in read and list, and changes nothing else'(bench) {
    const { dueAt: _, ...rest } = await bench.put('a:apr-1', { dueAt: 1, parkedAt: 7 })
    const before = await bench.now('a:apr-1')
    await bench.store.takeDue(1, long)
    const { now, entry } = await bench.store.read('a:apr-1')
    const { dueAt = null, ...kept } = entry ?? {}
    assertBetween(dueAt, before + long, now + long, 'dueAt after takeDue')
    assert.deepEqual(kept, rest)
    assert.deepEqual(await bench.pages('due'), [{ key: 'a:apr-1', entry }])
  },
  async 'a write over the stamp of a hidden entry succeeds, and its dueAt applies'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: 1 })
    assert.deepEqual(await bench.takeAll(), ['a:apr-1'])
    const next = await bench.replace('a:apr-1', entry, { dueAt: 2 })
    await bench.shows('a:apr-1', next)
    assert.deepEqual(await bench.takeAll(), ['a:apr-1'])
  },
  async 'writing an entry without dueAt removes the key from the due index, hidden or not'(bench) {
    const visible = await bench.put('a:visible', { dueAt: 1 })
    await bench.replace('a:visible', visible, { dueAt: null })
    const hidden = await bench.put('a:hidden', { dueAt: 2 })
    assert.deepEqual((await bench.store.takeDue(10, short)).keys, ['a:hidden'])
    await bench.replace('a:hidden', hidden, { dueAt: null, parkedAt: 1 })
    await bench.pass(short + 1)
    assert.deepEqual(await bench.store.takeDue(10, long), { keys: [], nextDueInMs: null })
    assert.deepEqual(await bench.keys('due'), [])
  },
  async 'a write with another dueAt changes when the key is due, to earlier or later'(bench) {
    const now = await bench.now()
    const earlier = await bench.put('a:earlier', { dueAt: now + long })
    const later = await bench.put('a:later', { dueAt: 1 })
    await bench.replace('a:earlier', earlier, { dueAt: 2 })
    await bench.replace('a:later', later, { dueAt: now + long })
    assert.deepEqual(await bench.takeAll(), ['a:earlier'])
  },
  async 'many entries that move back and forth are each taken once, in order'(bench) {
    const keys = keysOf(40)
    const now = await bench.now()
    for (const [index, key] of keys.entries()) {
      let entry = await bench.put(key, { dueAt: now + long })
      for (const dueAt of [1, null, now + 2 * long, 1_000 - index]) entry = await bench.replace(key, entry, { dueAt })
      if (index % 4 === 1) await bench.replace(key, entry, { dueAt: null })
    }
    const expected = keys.filter((_, index) => index % 4 !== 1).reverse()
    assert.deepEqual(await bench.takeAll(long, 7), expected)
    assert.deepEqual(await bench.takeAll(), [])
  },
  async 'nextDueInMs is the time until the next key is due'(bench) {
    const before = await bench.now()
    await bench.put('a:second', { dueAt: before + 2 * long })
    await bench.put('a:first', { dueAt: before + long })
    const { keys, nextDueInMs } = await bench.store.takeDue(10, long)
    assert.deepEqual(keys, [])
    assertBetween(nextDueInMs, before + long - (await bench.now()), long, 'nextDueInMs')
  },
  async 'nextDueInMs is 0 if limit left due keys'(bench) {
    for (const key of keysOf(3)) await bench.put(key, { dueAt: 1 })
    const { keys, nextDueInMs } = await bench.store.takeDue(2, long)
    assert.deepEqual([keys.length, nextDueInMs], [2, 0])
  },
  async 'takeDue with limit 0 takes and hides nothing, and returns nextDueInMs'(bench) {
    assert.deepEqual(await bench.store.takeDue(0, long), { keys: [], nextDueInMs: null })
    const entry = await bench.put('a:apr-1', { dueAt: 1 })
    assert.deepEqual(await bench.store.takeDue(0, long), { keys: [], nextDueInMs: 0 })
    await bench.shows('a:apr-1', entry)
    assert.deepEqual(await bench.takeAll(), ['a:apr-1'])
  },
  async 'nextDueInMs includes the keys that this call hid'(bench) {
    const before = await bench.now()
    await bench.put('a:apr-1', { dueAt: 1 })
    await bench.put('a:apr-2', { dueAt: before + 2 * long })
    const { keys, nextDueInMs } = await bench.store.takeDue(10, long)
    assert.deepEqual(keys, ['a:apr-1'])
    assertBetween(nextDueInMs, 0, long, 'nextDueInMs')
    const { entry, now } = await bench.store.read('a:apr-1')
    assertBetween(nextDueInMs, (entry?.dueAt ?? Number.NaN) - now, long, 'nextDueInMs')
  },
  async 'parallel takers get different keys, and together they get all'(bench) {
    const keys = keysOf(60)
    for (const [index, key] of keys.entries()) await bench.put(key, { dueAt: index % 10 })
    const takes = await Promise.all(Array.from({ length: 20 }, () => bench.store.takeDue(5, long)))
    const taken = takes.flatMap((take) => take.keys)
    assert.equal(new Set(taken).size, taken.length, 'a key was taken twice')
    assert.deepEqual([...taken, ...(await bench.takeAll())].sort(), [...keys].sort())
  },
  async 'a parallel takeDue does not make a write fail'(bench) {
    const take = () => bench.store.takeDue(1, long)
    for (const key of keysOf(20)) {
      const entry = await bench.put(key, { dueAt: 1 })
      const next = bench.entry({ dueAt: null, parkedAt: 1 })
      const [written] = await Promise.all([bench.store.write(key, entry.stamp, next), take(), take()])
      assert.equal(written, true, 'write over the stored stamp, beside takeDue')
      await bench.shows(key, next)
    }
    assert.deepEqual(await bench.keys('due'), [])
  },
}

/** Asserts that the key is not taken before `earliest`, and is taken at `time`. */
async function notBefore(bench: Bench, time: number, key: string, earliest = time): Promise<void> {
  if (bench.exact) await bench.until(earliest - 1)
  const { keys } = await bench.store.takeDue(10, long)
  // The take ended before this read, so it was early, however slow the store is.
  if ((await bench.now(key)) < earliest) assert.deepEqual(keys, [], 'taken before it is due')
  await bench.until(time)
  if (keys.length === 0) assert.deepEqual((await bench.store.takeDue(10, long)).keys, [key])
}
