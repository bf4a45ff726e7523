import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { bombText, jsonText, keyText, objectText, objectTexts } from './json-texts.js'
import type { UpstreamAnswer } from './upstream.js'

/** A longer response is not read. */
export const maxResponseBytes = 4_000

/** Times around which dates are generated: an hour before and after. */
export const epochMs = 1_795_000_000_000

const words = [
  'APPROVED',
  'approved',
  'Approved',
  'REJECTED',
  'rejected',
  'DECLINED',
  'EXPIRED',
  'TIMED_OUT',
  'cancelled',
  'CANCELED',
  'PENDING',
  'pending',
]
const oddWords = [
  'APPROVED ',
  ' approved',
  'approved\0',
  'APPROVED_BY_AI',
  'aprroved',
  'ok',
  'true',
  '',
  'constructor',
  '__proto__',
  'toString',
  'ap\u0440roved',
  'APPROVED\u0130',
  'ＡＰＰＲＯＶＥＤ',
  'time-out',
  'timed out',
  'un-approved',
  'approved,rejected',
]
const statusText = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('"APPROVED"', '"approved"') },
  { weight: 8, arbitrary: fc.constantFrom(...words.map((word) => JSON.stringify(word))) },
  { weight: 2, arbitrary: fc.constantFrom(...oddWords.map((word) => JSON.stringify(word))) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"\\u0041PPROVED"', 'null', 'true', '1', '["APPROVED"]', '{"status":"APPROVED"}'),
  },
)
const idText = fc.oneof(
  { weight: 40, arbitrary: fc.constant('"req_1"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"req_2"',
      '"REQ_1"',
      '"req_1 "',
      '"re\\u0071_1"',
      'null',
      '1',
      '["req_1"]',
      '""',
      '{"id":"req_1"}',
    ),
  },
)
const hour = 3_600_000
const dateText = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .integer({ min: -30 * hour, max: 30 * hour })
      .map((ms) => JSON.stringify(new Date(epochMs + ms).toISOString())),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        'null',
        '"2026-11-18T12:00:00Z"',
        '"2026-11-18T14:00:00.000+02:00"',
        '"2027-11-18T12:00:00Z"',
        '"9999-12-31T23:59:59Z"',
      ],
      ...[
        '"2026-11-18 12:00:00"',
        '"2026-11-18T12:00:00"',
        '"2026-11-18"',
        '"2026"',
        '"0"',
        '"1"',
        '"1 May"',
        '"-1"',
        '"yesterday"',
        '""',
      ],
      ...[
        '"Wed, 18 Nov 2026 12:00:00 GMT"',
        '"1789000000000"',
        '1789000000000',
        'true',
        '{}',
        '["2026-11-18T12:00:00Z"]',
        '"2026-13-45T99:00:00Z"',
      ],
    ),
  },
)
const editText = fc.oneof(
  { weight: 3, arbitrary: fc.constant('null') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '{"orderId":"8842","amount":90}',
      '{"amount":90,"orderId":"8842","more":{"a":[1]}}',
      '{"amount":90}',
      '{"amount":null,"x":1}',
      '{}',
      '{"orderId":"8842","amount":"90"}',
    ),
  },
  { weight: 2, arbitrary: objectTexts },
  { weight: 1, arbitrary: jsonText },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '[]',
      '""',
      '0',
      'false',
      '"null"',
      '{"amount":1e999}',
      '{"orderId":"8842","amount":-1e400}',
      '{"amount":9007199254740993,"orderId":"8842"}',
    ),
  },
)
const noteText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('null', '"Fine."', '""', '"\\ud800"', '"\u2028</script>"') },
  { weight: 1, arbitrary: jsonText },
)

const usual = fc.tuple(
  fc.tuple(fc.constantFrom('"id"', '"id"', '"id"', '"approvalId"'), idText),
  fc.tuple(fc.constant('"status"'), statusText),
)
const optional = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('"modifiedDetails"'), editText) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('"decidedAt"'), dateText) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('"decisionNote"'), noteText) },
    { weight: 1, arbitrary: fc.tuple(keyText, jsonText) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('"id"', '"approvalId"'), idText) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('"status"'), statusText) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('"__proto__"'), objectTexts) },
  ),
  { maxLength: 5 },
)
const nearSchema = fc
  .tuple(
    usual,
    optional,
    fc.nat(),
    fc.oneof({ weight: 15, arbitrary: fc.constant(2) }, { weight: 1, arbitrary: fc.nat(1) }),
  )
  .map(([[id, status], more, at, kept]) =>
    objectText(
      [...[id, status].slice(0, kept), ...more].toSorted((a, b) => ((a[0].length * at) % 7) - ((b[0].length * at) % 7)),
    ),
  )

/** An approval whose edit or note is nested to the limit or deeper. */
const deep = fc
  .tuple(fc.integer({ min: 58, max: 70 }), fc.constantFrom('modifiedDetails', 'decisionNote', 'other'), fc.boolean())
  .map(([levels, name, isList]) => {
    const [open, close] = isList ? ['[', ']'] : ['{"a":', '}']
    const inner = `{"orderId":"8842","amount":1,"x":${open.repeat(levels)}"]}"${close.repeat(levels)}}`
    return `{"id":"req_1","status":"APPROVED","${name}":${inner}}`
  })

const text = fc.oneof(
  { weight: 40, arbitrary: nearSchema },
  { weight: 2, arbitrary: deep },
  { weight: 1, arbitrary: jsonText },
  { weight: 1, arbitrary: bombText },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      '<html>approved</html>',
      '"APPROVED"',
      '[{"id":"req_1","status":"APPROVED"}]',
      '{"data":{"id":"req_1","status":"APPROVED"}}',
    ),
  },
)

const body: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 40, arbitrary: text.map((each) => Buffer.from(each)) },
  {
    weight: 3,
    arbitrary: fc.tuple(nearSchema, fc.nat(), fc.nat(255), fc.nat(2)).map(([each, at, byte, cut]) => {
      const bytes = [...Buffer.from(each)]
      bytes.splice(at % bytes.length, cut, ...(cut === 2 ? [] : [byte]))
      return Buffer.from(bytes)
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(nearSchema, fc.constantFrom('mark', 'padded', 'latin-1', 'utf-16', 'cut', 'twice'))
      .map(([each, how]) => {
        if (how === 'mark') return Buffer.from(`\ufeff${each}`)
        if (how === 'padded') return Buffer.from(each.padEnd(maxResponseBytes + (each.length % 3) - 1))
        if (how === 'latin-1') return Buffer.from(each.replace('{', '{"n":"é",'), 'latin1')
        if (how === 'utf-16') return Buffer.from(each, 'utf16le')
        return Buffer.from(how === 'cut' ? each.slice(0, -1) : each + each)
      }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
)

const headers: fc.Arbitrary<IncomingHttpHeaders> = fc.oneof(
  { weight: 24, arbitrary: fc.constant({ 'content-type': 'application/json' }) },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(-30 * 24, -26, -2, 0, 2, 31 * 24)
      .map((hours) => ({ date: new Date(epochMs + hours * 3_600_000).toUTCString() })),
  },
  { weight: 1, arbitrary: fc.constantFrom({ date: 'soon' }, { date: '' }, { date: '0' }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<IncomingHttpHeaders>(
      ...[{}, { 'content-type': 'text/html' }, { 'content-encoding': 'identity' }, { 'content-encoding': 'Identity' }],
      ...[
        { 'content-encoding': 'gzip' },
        { 'content-encoding': 'br, identity' },
        { 'content-length': '4001' },
        { 'content-length': '1' },
      ],
      ...[
        { 'retry-after': '7' },
        { 'retry-after': '-5' },
        { 'retry-after': '1e9' },
        { 'retry-after': 'Wed, 18 Nov 2099 12:00:00 GMT' },
      ],
      ...[
        { location: 'https://evil.test/api' },
        { location: '//' },
        { age: '600' },
        JSON.parse('{"__proto__":"x"}') as IncomingHttpHeaders,
      ],
      // For a repeated header, undici returns a list.
      ...[{ 'retry-after': ['1', '2'] }, { 'content-encoding': ['gzip', 'br'] }].map(
        (each) => each as unknown as IncomingHttpHeaders,
      ),
    ),
  },
)

export const apiAnswer: fc.Arbitrary<UpstreamAnswer> = fc
  .record({
    status: fc.oneof(
      { weight: 50, arbitrary: fc.constant(200) },
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          201,
          202,
          203,
          204,
          206,
          299,
          300,
          301,
          302,
          304,
          307,
          308,
          400,
          401,
          403,
          404,
          409,
          410,
          418,
          422,
          429,
          500,
          502,
          503,
          504,
          599,
          999,
        ),
      },
    ),
    headers,
    body,
    cuts: fc.array(fc.nat(), { maxLength: 2 }),
    end: fc.oneof(
      { weight: 40, arbitrary: fc.constant('whole' as const) },
      { weight: 1, arbitrary: fc.constantFrom('broken' as const, 'never' as const) },
    ),
  })
  .map(({ status, headers: heads, body: bytes, cuts, end }) => {
    const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
    return { status, headers: heads, end, chunks: places.slice(1).map((to, at) => bytes.subarray(places[at], to)) }
  })
