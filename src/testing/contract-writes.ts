import assert from 'node:assert/strict'
import type { Entry } from '../index.js'
import { type Bench, long, type Rules } from './contract-bench.js'

/** Rules of compare-and-set: which write wins, and what a repeated write does. */
export const writeCases: Rules = {
  'read finds nothing under a key that was never written': (bench) => bench.shows('a:apr-1', null),
  'write with expected null stores an entry if nothing is stored': async (bench) =>
    bench.shows('a:apr-1', await bench.put('a:apr-1')),
  async 'write with expected null is false if an entry is stored, and changes nothing'(bench) {
    await refuses(bench, await bench.put('a:apr-1', { dueAt: (await bench.now()) + long }), [null])
  },
  async 'write over the stored stamp replaces the entry'(bench) {
    const first = await bench.put('a:apr-1')
    const second = await bench.replace('a:apr-1', first, { state: { second: true } })
    await bench.shows('a:apr-1', second)
  },
  async 'write over another stamp is false, and changes nothing, in the indexes too'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: (await bench.now()) + long })
    await refuses(bench, entry, ['stamp', 'Stamp-1', 'STAMP-1', `${entry.stamp} `, ''])
  },
  'write with an expected stamp is false if nothing is stored, and stores nothing': (bench) =>
    refuses(bench, null, ['stamp-0']),
  async 'write over the previous stamp is false'(bench) {
    const first = await bench.put('a:apr-1')
    const second = await bench.replace('a:apr-1', first)
    assert.equal(await bench.store.write('a:apr-1', first.stamp, bench.entry()), false)
    await bench.shows('a:apr-1', second)
  },
  async 'a repeated write is true each time, for a new key and over another entry'(bench) {
    const first = await bench.put('a:apr-1')
    for (let times = 0; times < 3; times++) assert.equal(await bench.store.write('a:apr-1', null, first), true)
    const second = await bench.replace('a:apr-1', first)
    for (let times = 0; times < 3; times++) assert.equal(await bench.store.write('a:apr-1', first.stamp, second), true)
    await bench.shows('a:apr-1', second)
  },
  async 'a repeated write changes nothing: a key that takeDue hid stays hidden'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: await bench.now() })
    assert.deepEqual(await bench.takeAll(), ['a:apr-1'])
    const hidden = await bench.stored('a:apr-1')
    assert.equal(await bench.store.write('a:apr-1', null, entry), true)
    await bench.shows('a:apr-1', hidden)
    assert.deepEqual(await bench.takeAll(), [])
  },
  async 'a repeated write is false after a later write, and changes nothing'(bench) {
    const first = await bench.put('a:apr-1')
    const second = await bench.replace('a:apr-1', first)
    const third = await bench.replace('a:apr-1', second)
    assert.equal(await bench.store.write('a:apr-1', null, first), false)
    assert.equal(await bench.store.write('a:apr-1', first.stamp, second), false)
    await bench.shows('a:apr-1', third)
  },
  'exactly one of many parallel writes of a new key wins, and its entry is stored': (bench) => race(bench, null),
  'exactly one of many parallel writes over one stamp wins, and its entry is stored': async (bench) =>
    race(bench, (await bench.put('a:apr-1', { dueAt: 1 })).stamp),
  async 'parallel repeats of one write are all true'(bench) {
    const entry = bench.entry({ dueAt: (await bench.now()) + long })
    const answers = await Promise.all(Array.from({ length: 20 }, () => bench.store.write('a:apr-1', null, entry)))
    assert.deepEqual(new Set(answers), new Set([true]))
    await shows(bench, entry, ['a:apr-1'])
  },
  async 'no update is lost when many writers read, write and retry'(bench) {
    const [writers, rounds] = [8, 5]
    await bench.put('a:apr-1', { state: { count: 0 } })
    const writer = async (): Promise<void> => {
      for (let done = 0; done < rounds; ) {
        const { stamp, state } = await bench.stored('a:apr-1')
        const next = bench.entry({ state: { count: Number(state['count']) + 1 } })
        if (await bench.store.write('a:apr-1', stamp, next)) done++
      }
    }
    await Promise.all(Array.from({ length: writers }, writer))
    assert.deepEqual((await bench.stored('a:apr-1')).state, { count: writers * rounds })
  },
  async 'a store with room accepts intake, and its repeat'(bench) {
    const entry = await bench.put('a:apr-1', {}, { intake: true })
    assert.equal(await bench.store.write('a:apr-1', null, entry, { intake: true }), true)
    assert.equal(await bench.store.write('a:apr-1', null, bench.entry(), { intake: true }), false)
    await bench.put('a:apr-2', {}, { intake: false, keepMs: undefined })
    await bench.put('a:apr-3', {}, { intake: undefined })
    await bench.shows('a:apr-1', entry)
  },
}

/** Asserts that writes over these stamps change nothing, in the indexes too. */
async function refuses(bench: Bench, stored: Entry | null, stamps: readonly (string | null)[]): Promise<void> {
  const other = bench.entry({ dueAt: 1, parkedAt: await bench.now() })
  for (const expected of stamps)
    assert.equal(await bench.store.write('a:apr-1', expected, other), false, `expected ${JSON.stringify(expected)}`)
  await shows(bench, stored, stored === null ? [] : ['a:apr-1'])
}

async function race(bench: Bench, expected: string | null): Promise<void> {
  const now = await bench.now()
  const rivals = Array.from({ length: 50 }, (_, index) => bench.entry({ dueAt: now + long + index }))
  const answers = await Promise.all(rivals.map((entry) => bench.store.write('a:apr-1', expected, entry)))
  const winners = rivals.filter((_, index) => answers[index])
  assert.equal(winners.length, 1, `${winners.length} of 50 parallel writes won`)
  await shows(bench, winners[0] ?? null, ['a:apr-1'])
}

/** Asserts which entry is stored, that the due index has these keys, and that the parked index is empty. */
async function shows(bench: Bench, entry: Entry | null, due: readonly string[]): Promise<void> {
  await bench.shows('a:apr-1', entry)
  assert.deepEqual([await bench.keys('due'), await bench.keys('parked')], [due, []], 'the indexes')
}
