import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isCheqpointError } from '../../../src/index.js'
import { readAnswer } from './answers.js'
import { FuzzBench, origin } from './bench.js'
import { nastyKeys } from './json-texts.js'
import { type Property, property } from './property.js'
import { json } from './upstream.js'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'
const more = ".~:@!$&'()*+,;="
const odd = [
  '/',
  '\\',
  '%',
  '?',
  '#',
  ' ',
  '\n',
  '\r',
  '\0',
  '\u2028',
  'é',
  'ſ',
  'K',
  '１',
  '\ud800',
  '\u0430',
  '{',
  '"',
  '.',
]

const plain = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 20 })
const id: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: plain },
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...letters, ...more), minLength: 1, maxLength: 12 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...nastyKeys, 'valueOf', 'toLocaleString', '__defineGetter__', '-', '_', '0'),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(plain, fc.nat(), fc.constantFrom(...odd))
      .map(
        ([text, at, character]) =>
          text.slice(0, at % (text.length + 1)) + character + text.slice(at % (text.length + 1)),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        '..',
        '.',
        '...',
        '%2e%2e',
        '../../x',
        '//evil.test',
        '\\\\evil.test',
        'a/../b',
        'req_1\n',
        '\nreq_1',
        'req_1\r\nx: y',
      ],
      ...['https://evil.test', 'a@evil.test', ':80', '*', '{x}', '', '💥', 'req_1\u0000'],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(126, 127, 128, 129, 130, 513).map((length) => 'x'.repeat(length)) },
  {
    weight: 2,
    arbitrary: fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withObjectString: true,
      withBoxedValues: true,
      withSparseArray: true,
    }),
  },
)

/** Two alphabets: the default, and all characters that a path may contain unchanged. */
const wide = /(?!\.+$)[A-Za-z0-9_.~:@!$&'()*+,;=-]{1,200}/
const isId = (value: unknown, isWide: boolean): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= (isWide ? 200 : 128) &&
  [...value].every((character) => letters.includes(character) || (isWide && more.includes(character))) &&
  [...value].some((character) => character !== '.')

/** A GET has the unchanged id in its path; an invalid id causes no GET. */
export const ids: Property = property({
  name: 'ids',
  says: 'an id is used unchanged from registration to the path of the GET, and anything else is refused',
  sees: ['allowed', 'nasty and allowed', 'refused'],
  arbitrary: fc.record({ id, isWide: fc.boolean(), entry: fc.constantFrom('resolve', 'wait', 'retry', 'cancel') }),
  open() {
    const narrow = new FuzzBench()
    const broad = new FuzzBench({ idPattern: wide }, narrow.time)
    return {
      async judge({ id: given, isWide, entry }, note) {
        const bench = isWide ? broad : narrow
        const { upstream, receiver, runs } = bench.begin()
        const { time } = narrow
        // Untyped on purpose: callers in JavaScript can pass anything.
        const text = given as string
        const tracking = time.end(receiver.track(text, { action: 'refund', details: { amount: 1 } }))
        const sent = { body: { parsed: { approvalId: given, status: 'approved' } } }
        if (!isId(given, isWide)) {
          await refusedAsId(tracking)
          const entered: Promise<unknown> =
            entry === 'wait' ? receiver.wait(text, { timeoutMs: 1 }) : receiver[entry](text)
          await refusedAsId(time.end(entered))
          assert.equal(readAnswer(await bench.handle(sent)), '400 malformed')
          note('refused')
          return bench.expectRefused()
        }
        note(nastyKeys.includes(given) ? 'nasty and allowed' : 'allowed')
        upstream.answer = () => json({ id: given, status: 'APPROVED', modifiedDetails: null })
        assert.equal(await tracking, true)
        const waiting = receiver.wait(given)
        assert.equal(readAnswer(await bench.handle(sent)), '200 handled')
        assert.deepEqual(upstream.asked, [`GET ${origin}/api/approvals/${given}`])
        const { href } = new URL(`/api/approvals/${given}`, origin)
        assert.equal(href, `${origin}/api/approvals/${given}`, 'a path that a URL changes')
        assert.deepEqual(
          runs.map(({ decision, run }) => [decision.approvalId, run.idempotencyKey]),
          [[given, `cheqpoint:${given}`]],
        )
        assert.equal((await time.end(waiting)).approvalId, given)
        assert.equal(await time.end(receiver.track(given, { action: 'refund', details: {} })), false)
      },
      async close() {
        await broad.close()
        await narrow.close()
      },
    }
  },
})

async function refusedAsId(asked: Promise<unknown>): Promise<void> {
  await assert.rejects(asked, (error) => isCheqpointError(error, 'id-invalid'))
}
