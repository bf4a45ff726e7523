import assert from 'node:assert/strict'
import type { JsonObject, JsonValue } from '../index.js'
import type { Rules } from './contract-bench.js'

const states: readonly (readonly [what: string, state: JsonObject])[] = [
  ['an empty object', {}],
  ['empty values', { none: null, no: false, text: '', list: [], object: {}, nested: [[], [{}]] }],
  ['text beyond ASCII', { 'ключ 鍵 🔑': 'Größe, 金額, e\u0301, é, \u{1f469}\u200d\u{1f4bb}, \u2028\u2029\ufeff' }],
  ['control characters and NUL', { 'a\u0000b': 'x\u0000y\u0001\b\t\n\r\u001f\u007f', '': '\u0000' }],
  ['lone surrogates', { high: '\ud83d', low: '\ude00', swapped: '\ude00\ud83d', '\ud800': 'key' }],
  ['text with quotes', { text: `'"\\\`$1 ?{}[]%s \${x} --;/*` }],
  // Written as text: in a literal, `__proto__` sets the prototype.
  ['names of the prototype', JSON.parse('{"__proto__":{"a":1},"constructor":"c","toString":null}') as JsonObject],
  ['big and small numbers', { list: [2 ** 53 - 1, -(2 ** 53 - 1), 1e308, 5e-324, 0.1, 1e21, 12345678901234567000] }],
  ['text that looks like other types', { number: '007', date: '2026-01-01', null: 'null', json: '{"a":1}' }],
  ['the order of keys', { z: 1, a: 2, Z: 3, aa: 4, '-1': 5 }],
  ['80 levels', { deep: nested(80) }],
  ['256 KiB of text', { text: 'aé金🔑'.repeat(30_000) }],
]

const keys: readonly string[] = [
  ...'a:__proto__|r:__proto__|a:constructor|a:req_A|a:req_a|a:0|a:00|a: with spaces |a:with spaces'.split('|'),
  ...`r:e\u0301|r:\u00e9|r:Größe 金額 🔑|r:'"\\\`;--/*|r:{tag}:b:*?[a]%_|r:line\nbreak\ttab`.split('|'),
  ...[`a:${'x'.repeat(510)}`, `a:${'x'.repeat(509)}y`, `r:${'金'.repeat(510)}`],
]

const stamps: readonly string[] = [...'0|00|a|A| a|a |!"#$%&\'()*+,-./:;<=>?@[\\]^_`{}~'.split('|'), 'x'.repeat(64)]

/** Entries, keys, stamps and times are returned unchanged. */
export const fidelityCases: Rules = {
  ...Object.fromEntries(states.map(([what, state]) => [`an entry is returned exactly: ${what}`, comesBack(state)])),
  async 'keys are opaque text: each has its own entry, and is returned unchanged'(bench) {
    const entries = new Map<string, Awaited<ReturnType<typeof bench.put>>>()
    for (const [index, key] of keys.entries())
      entries.set(key, await bench.put(key, { dueAt: index + 1, parkedAt: index + 1 }))
    for (const [key, entry] of entries) await bench.shows(key, entry)
    assert.deepEqual(await bench.keys('parked', 5), keys)
    assert.deepEqual(await bench.takeAll(), keys)
  },
  async 'stamps are compared in full'(bench) {
    for (const stamp of stamps) {
      const key = `a:${stamps.indexOf(stamp)}`
      const entry = await bench.put(key, { stamp })
      await bench.shows(key, entry)
      for (const other of stamps)
        if (other !== stamp) assert.equal(await bench.store.write(key, other, bench.entry()), false, other)
      await bench.replace(key, entry)
    }
  },
  async 'dueAt and parkedAt are returned exactly, in the past and far in the future'(bench) {
    const now = await bench.now()
    for (const time of [0, 1, now - 1, now, now + 1, now + 315_360_000_000]) {
      const [due, parked] = [`a:due-${time}`, `a:parked-${time}`]
      await bench.shows(due, await bench.put(due, { dueAt: time }))
      await bench.shows(parked, await bench.put(parked, { parkedAt: time }))
    }
  },
  async 'changing an object after its write does not change the stored entry'(bench) {
    const list: JsonValue[] = [1]
    const entry = bench.entry({ state: { list } })
    const expected = structuredClone(entry)
    assert.equal(await bench.store.write('a:apr-1', null, entry), true)
    list.push('changed')
    Object.assign(entry, { stamp: 'changed', dueAt: 1 })
    await bench.shows('a:apr-1', expected)
    assert.deepEqual(await bench.keys('due'), [])
  },
  async 'changing a result of read or list does not change the stored entry'(bench) {
    const entry = await bench.put('a:apr-1', { dueAt: 1, state: { object: { amount: 1 } } })
    const expected = structuredClone(entry)
    const listed = (await bench.pages('due')).at(0)?.entry
    for (const got of [await bench.stored('a:apr-1'), listed]) {
      assert.ok(got)
      // If the entry is frozen, Reflect.set returns false: as good as a copy.
      Reflect.set(got, 'stamp', 'changed')
      Reflect.set(Object(got.state['object']), 'amount', 1_000_000)
    }
    await bench.shows('a:apr-1', expected)
  },
}

function comesBack(state: JsonObject): Rules[string] {
  return async (bench) => {
    const entry = await bench.put('a:apr-1', { state, dueAt: 1, parkedAt: 2 })
    await bench.shows('a:apr-1', entry)
    assert.deepEqual(await bench.pages('due'), [{ key: 'a:apr-1', entry }])
    assert.deepEqual(await bench.pages('parked'), [{ key: 'a:apr-1', entry }])
  }
}

function nested(levels: number): JsonValue {
  return levels === 0 ? 'bottom' : levels % 2 === 0 ? [nested(levels - 1)] : { in: nested(levels - 1) }
}
