import fc from 'fast-check'
import { bombText, jsonText, keyText, objectText, objectTexts } from './json-texts.js'

/** A longer body is refused. */
export const maxBodyBytes = 9_000

/** How a host passes on a body. */
export type Form = 'web stream' | 'node stream' | 'whole' | 'buffer' | 'array buffer' | 'text' | 'value'

export interface SentBody {
  readonly bytes: Uint8Array
  readonly form: Form
  /** Offsets at which a stream splits the bytes. */
  readonly cut: number
}

const statusText = fc.constantFrom(
  ...['"approved"', '"APPROVED"', '"rejected"', '"Declined"', '"pending"', '"expired"', '"timed_out"', '"approved "'],
  ...['"APPROVED\\u0000"', '"\\u0061pproved"', '"constructor"', 'true', '1', 'null', '["approved"]', '{}'],
)
const idText = fc.oneof(
  { weight: 8, arbitrary: fc.constant('"req_1"') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...['"req_\\u0031"', '"req_2"', '"REQ_1"', '" req_1"', '"req_1\\n"', '"../req_1"', '"req_1/../req_1"', '"."'],
      ...['"req%5f1"', '"req_1?x"', '"req_1#"', '"__proto__"', '"constructor"', '""', 'null', '1', '["req_1"]', '{}'],
    ),
  },
  { weight: 1, arbitrary: jsonText },
)

/** Fields that Cheqpoint sends, each present or not, valid or not, once or repeated, with other fields. */
const nearGenuine: fc.Arbitrary<string> = fc
  .tuple(
    fc.tuple(fc.constantFrom('"approvalId"', '"approvalId"', '"id"', '"approval\\u0049d"'), idText),
    fc.array(
      fc.oneof(
        fc.tuple(fc.constant('"status"'), statusText),
        fc.tuple(
          fc.constant('"modifiedDetails"'),
          fc.oneof(
            fc.constantFrom('null', '{"orderId":"8842","amount":90}', '{"amount":90,"orderId":"8842"}'),
            jsonText,
          ),
        ),
        fc.tuple(fc.constant('"decisionNote"'), fc.oneof(fc.constantFrom('null', '"Less."'), jsonText)),
        fc.tuple(fc.constantFrom('"id"', '"approvalId"'), idText),
        fc.tuple(keyText, jsonText),
        fc.tuple(fc.constant('"__proto__"'), objectTexts),
      ),
      { maxLength: 5 },
    ),
    fc.nat(5),
  )
  .map(([id, fields, at]) => objectText(fields.toSpliced(Math.min(at, fields.length), 0, id)))

const nearGenuineBomb = bombText.map((bomb) => `{"approvalId":"req_1","modifiedDetails":${bomb}}`)

const texts: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: nearGenuine },
  { weight: 3, arbitrary: jsonText },
  { weight: 1, arbitrary: fc.oneof(bombText, nearGenuineBomb) },
)

const plain = texts.map((text) => Buffer.from(text))

/** The bytes of a text, with transmission errors. */
const damaged: fc.Arbitrary<Uint8Array> = fc
  .tuple(nearGenuine, fc.nat(), fc.nat(255), fc.constantFrom('replace', 'insert', 'remove', 'cut', 'flip'))
  .map(([text, place, byte, how]) => {
    const bytes = [...Buffer.from(text)]
    const at = place % (bytes.length + 1)
    if (how === 'replace') bytes.splice(at, 1, byte)
    if (how === 'insert') bytes.splice(at, 0, byte)
    if (how === 'remove') bytes.splice(at, 1)
    if (how === 'cut') bytes.length = at
    if (how === 'flip') bytes.splice(at, 1, (bytes[at] ?? 0) ^ (1 << (byte % 8)))
    return Buffer.from(bytes)
  })

const encoded: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    nearGenuine,
    fc.constantFrom('utf-8 mark', 'utf-16', 'utf-16 mark', 'overlong', 'surrogate', 'latin-1', 'padded'),
    fc.nat(3),
  )
  .map(([text, how, more]) => {
    const bytes = Buffer.from(text)
    if (how === 'utf-8 mark') return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])
    if (how === 'utf-16') return Buffer.from(text, 'utf16le')
    if (how === 'utf-16 mark') return Buffer.from(`\ufeff${text}`, 'utf16le')
    if (how === 'latin-1') return Buffer.from(text.replace('"req_1"', '"req_1","é":"ÿ"'), 'latin1')
    if (how === 'padded') return Buffer.from(text.padEnd(maxBodyBytes - 1 + more))
    const broken = how === 'overlong' ? [0xc0, 0xaf] : [0xed, 0xa0, 0x80]
    return Buffer.concat([Buffer.from('{"x":"'), Buffer.from(broken), Buffer.from('",'), bytes.subarray(1)])
  })

export const sentBody: fc.Arbitrary<SentBody> = fc.record({
  bytes: fc.oneof(
    { weight: 10, arbitrary: plain },
    { weight: 3, arbitrary: damaged },
    { weight: 2, arbitrary: encoded },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  ),
  form: fc.constantFrom<Form>('web stream', 'node stream', 'whole', 'buffer', 'array buffer', 'text', 'value'),
  cut: fc.nat(),
})
