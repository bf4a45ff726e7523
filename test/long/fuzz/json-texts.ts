import fc from 'fast-check'

/*
 * JSON as text, which can contain what no value in memory can: duplicate keys, numbers of any size, any escape.
 */

/** Keys with a meaning for JavaScript, serializers or the documented formats. */
export const nastyKeys: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'toJSON',
  'then',
  'length',
  '',
  'id',
  'approvalId',
  'status',
  'modifiedDetails',
  'decisionNote',
  'decidedAt',
  'amount',
  'a/b~c',
]

const numbers = [
  '0',
  '-0',
  '1',
  '-1.5',
  '120',
  '9007199254740993',
  '-9007199254740993',
  '1e21',
  '1.7976931348623157e308',
]
const strings = [
  '""',
  '"approved"',
  '"req_1"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u005f_proto__"',
  '"\u2028é💥"',
  '"__proto__"',
]

const scalarText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('null', 'true', 'false', ...numbers, ...strings),
  fc.integer().map(String),
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text)),
)

export const keyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nastyKeys.map((key) => JSON.stringify(key))) },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }).map((text) => JSON.stringify(text)) },
)

const nested = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 4, arbitrary: scalarText },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`) },
  ),
  object: fc.oneof(
    fc.constantFrom('{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}', '{}'),
    fc.array(fc.tuple(keyText, tie('value')), { maxLength: 4 }).map(objectText),
  ),
}))

/** Any JSON value. Objects may have a key several times. */
export const jsonText: fc.Arbitrary<string> = nested.value
export const objectTexts: fc.Arbitrary<string> = nested.object

/** The text of an object of these keys and values, both as text. */
export function objectText(fields: readonly (readonly [key: string, value: string])[]): string {
  return `{${fields.map(([key, value]) => `${key}:${value}`).join(',')}}`
}

/** Brackets within brackets, closed or not. */
export const bombText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(['[', ']'] as const, ['{"a":', '}'] as const, ['[{"__proto__":', '}]'] as const),
    fc.oneof(fc.integer({ min: 60, max: 70 }), fc.integer({ min: 1, max: 2_000 })),
    fc.boolean(),
  )
  .map(([[open, close], levels, closed]) => `${open.repeat(levels)}1${closed ? close.repeat(levels) : ''}`)
