import assert from 'node:assert/strict'
import { approved, type Case, long, newDraft, newRecord } from './contract-bench.js'

/** JSON that a store which decodes and encodes again would change. */
const texts: readonly (readonly [name: string, text: string])[] = [
  ['an empty array', '[]'],
  ['an empty object', '{}'],
  ['nested empty arrays and objects', '{"a":[],"b":{},"c":[[],{}]}'],
  ['a number with an exponent', '1e21'],
  ['fractions', '[0.1,0.30000000000000004,-0,1.0,5e-324]'],
  ['integers above 2^53', '[9007199254740993,12345678901234567890]'],
  ['white space', ' { "a" : 1 ,\r\n\t"b" : 2 }\n'],
  ['repeated keys', '{"a":1,"a":2}'],
  ['keys that are names of properties', '{"__proto__":{"polluted":true},"constructor":1,"toString":null}'],
  ['characters of every plane', '"é 漢 😀 \u2028 \u2029 \u007f"'],
  ['escapes, of half a surrogate pair among others', '"\\ud800 \\u0000 \\" \\\\ \\/ \\n"'],
  ['null', 'null'],
  ['an empty text', '""'],
  ['a text that looks like a command', '"*3\\r\\n$3\\r\\nSET\\r\\n"'],
  ['long text', `"${'0123456789abcdef'.repeat(8_192)}"`],
]

const names: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'null',
  'undefined',
  'true',
  '0',
  '-1',
  '1e3',
  'a:b',
  'a:apr-1',
  'r:ref-1',
  'due',
  'parked',
  '{a}',
  '{}',
  '{',
  '}',
  '*',
  'a*',
  '[a-z]',
  '^$.|()',
  ' ',
  ' a ',
  'A',
  'a',
  'é',
  '😀',
  'x'.repeat(128),
  `${'x'.repeat(127)}y`,
]

/** Texts and names come back as they went in. */
export const fidelityCases: readonly Case[] = [
  ...texts.map(
    ([name, text]): Case => [
      `${name} comes back byte for byte`,
      async (bench) => {
        const texts = { details: text, context: text }
        await bench.add('apr-1', texts)
        const { record } = await bench.claim('apr-1', 'a')
        assert.deepEqual([record.details, record.context], [text, text])
        const seal = await bench.store.seal('apr-1', 'a', text)
        assert.equal(seal.kind === 'sealed' && seal.sealed, text)
        await bench.store.release('apr-1', 'a', { dueInMs: 0, notBeforeMs: 0 })
        const { sealed } = await bench.claim('apr-1', 'b')
        assert.equal(sealed, text)
        await bench.store.complete('apr-1', 'b', { outcome: 'approved', result: text }, long)
        const done = await bench.store.get('apr-1')
        assert.ok(done?.state === 'done')
        assert.deepEqual([done.tombstone.sealed, done.tombstone.result], [text, text])

        await bench.store.reserve('ref-1', newDraft({ ref: 'ref-1', ...texts }), { dueInMs: long })
        const draft = (await bench.store.reservation('ref-1'))?.draft
        assert.deepEqual([draft?.details, draft?.context], [text, text])
        await bench.bind('ref-1', 'apr-2', { sealed: text })
        await bench.claim('apr-2', 'a')
        await bench.store.park('apr-2', 'a', 'corrupt', text)
        const parked = await bench.store.get('apr-2')
        assert.ok(parked?.state === 'parked')
        assert.deepEqual(
          [parked.record.details, parked.record.context, parked.sealed, parked.note],
          [text, text, text, text],
        )
      },
    ],
  ),
  [
    'what is missing and what only looks missing are told apart',
    async (bench) => {
      for (const [index, value] of [null, '', 'null', 'undefined', '0'].entries()) {
        const [id, ref] = [`apr-${index}`, `ref-${index}`]
        const expiresAt = value === null ? null : index
        await bench.add(id, { ref: value, assistant: value, expiresAt, action: value ?? 'none' })
        const { record } = await bench.claim(id, 'a')
        assert.deepEqual(
          { ref: record.ref, assistant: record.assistant, expiresAt: record.expiresAt, action: record.action },
          { ref: value, assistant: value, expiresAt, action: value ?? 'none' },
        )
        await bench.store.park(id, 'a', 'edit-invalid', value ?? '')
        const parked = await bench.store.get(id)
        assert.equal(parked?.state === 'parked' && parked.note, value ?? '')
        await bench.store.retry(id)
        await bench.claim(id, 'b')
        const result = value === '' ? '""' : value
        await bench.store.complete(id, 'b', { outcome: 'approved', result }, long)
        const done = await bench.store.get(id)
        assert.ok(done?.state === 'done')
        assert.deepEqual(
          { ref: done.tombstone.ref, assistant: done.tombstone.assistant, result: done.tombstone.result },
          { ref: value, assistant: value, result },
        )
        await bench.store.reserve(ref, newDraft({ ref, assistant: value, expiresAt }), { dueInMs: long })
        assert.deepEqual((await bench.store.reservation(ref))?.draft, newDraft({ ref, assistant: value, expiresAt }))
      }
    },
  ],
  [
    'moments come back to the millisecond',
    async (bench) => {
      for (const [index, expiresAt] of [0, 1, 999_999_999_999, 1_767_225_600_001, 8_640_000_000_000_000].entries()) {
        await bench.add(`apr-${index}`, { expiresAt })
        assert.equal((await bench.claim(`apr-${index}`, 'a')).record.expiresAt, expiresAt)
      }
    },
  ],
  [
    'any text is as good an id as another, and no two are the same',
    async (bench) => {
      for (const id of names) {
        assert.equal(await bench.store.get(id), null, id)
        await bench.add(id, { dueInMs: 0, details: JSON.stringify(id) })
      }
      const due = await bench.due()
      assert.deepEqual(due.sort(), names.map((id) => `approval:${id}`).sort())
      for (const id of names) {
        const { record } = await bench.claim(id, id)
        assert.deepEqual([record.id, record.details], [id, JSON.stringify(id)])
      }
      for (const id of names) assert.equal(await bench.store.complete(id, 'other', end, long), 'lost', id)
      for (const id of names) assert.equal(await bench.store.complete(id, id, end, long), 'done', id)
      for (const id of names) {
        const snapshot = await bench.store.get(id)
        assert.equal(snapshot?.state === 'done' && snapshot.tombstone.id, id)
      }
    },
  ],
  [
    'any text is as good a reference as another, and no two are the same',
    async (bench) => {
      for (const ref of names) await bench.reserve(ref, 0)
      assert.deepEqual((await bench.due()).sort(), names.map((ref) => `reservation:${ref}`).sort())
      for (const ref of names) assert.equal(await bench.store.hold(ref, ref), 'held', ref)
      for (const ref of names) assert.deepEqual((await bench.store.reservation(ref))?.candidates, [ref])
      for (const ref of names) await bench.bind(ref, `of ${ref}`, { sealed: approved })
      for (const ref of names) {
        const { record } = await bench.claim(`of ${ref}`, 'a', long, { ref })
        assert.equal(record.ref, ref)
        const again = await bench.store.reserve(ref, newDraft({ ref }), { dueInMs: 0 })
        assert.deepEqual(again, { kind: 'bound', id: `of ${ref}` })
      }
    },
  ],
  [
    'what the caller passed stays the caller’s: the store neither changes it nor follows its changes',
    async (bench) => {
      const record = Object.freeze(newRecord('apr-1'))
      await bench.store.add(record, Object.freeze({ dueInMs: long }))
      const draft = { ...newDraft({ ref: 'ref-1' }) }
      await bench.store.reserve('ref-1', draft, Object.freeze({ dueInMs: long }))
      Object.assign(draft, { details: 'changed' })
      assert.equal((await bench.store.reservation('ref-1'))?.draft.details, newDraft().details)
      const mine = { ...newRecord('apr-2') }
      await bench.store.add(mine, { dueInMs: long })
      Object.assign(mine, { details: 'changed' })
      assert.equal((await bench.claim('apr-2', 'a')).record.details, newRecord('apr-2').details)
    },
  ],
]

const end = { outcome: 'approved', result: null } as const
