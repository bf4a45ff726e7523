import fc from 'fast-check'
import { agent } from './bench.js'

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** Values that an HTTP parser accepts: printable Latin-1, with blanks and tabs inside. */
const valueText = fc
  .string({ unit: fc.constantFrom(...' \t!",;=/\\()<>@:[]{}?%', ...'abcJSON019+-_~\u00e9\u00ff'), maxLength: 12 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const longText = fc
  .tuple(
    fc.constantFrom('a', ';', '; ', ',', '"', '\\"', 'charset=', 'identity,', '9', 'é'),
    fc.constantFrom(1_000, 16_000),
  )
  .map(([unit, length]) => unit.repeat(Math.ceil(length / unit.length)).trim())

const oddCase = (name: string): fc.Arbitrary<string> =>
  fc.constantFrom(
    name,
    name.toUpperCase(),
    name.replace(/(^|-)./g, (each) => each.toUpperCase()),
    `${name[0]?.toUpperCase()}${name.slice(1)}`,
  )

function header(name: string, ...values: readonly string[]): fc.Arbitrary<readonly [string, string]> {
  return fc.tuple(
    oddCase(name),
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...values) },
      { weight: 2, arbitrary: valueText },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constantFrom(...values), valueText).map(([value, more]) => `${value}${more}`.trim()),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom(...values), fc.constantFrom(',', ', ', ';'))
          .map(([value, by]) => `${value}${by}${value}`),
      },
    ),
  )
}

const agents = header(
  'user-agent',
  agent,
  agent,
  agent,
  agent.toLowerCase(),
  'Cheqpoint-Callback/1.1',
  `${agent} (x)`,
  'curl/8.5.0',
  '',
)
const types = header(
  'content-type',
  ...[
    'application/json',
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/vnd.x+json;charset="UTF-8"',
  ],
  ...[
    'application/json;charset=utf-16',
    'application/json; charset=utf-8; charset=latin1',
    'application/json;profile=x',
  ],
  ...['application/jsonp', 'text/json', 'text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'json', ''],
)
const codings = header(
  'content-encoding',
  'identity',
  'Identity',
  'identity, identity',
  'gzip',
  'br',
  'identity, gzip',
  '',
)
const lengths = header(
  'content-length',
  '23',
  '0',
  '9000',
  '9001',
  '99999999999999999999',
  '1e3',
  '0x10',
  '-1',
  '+5',
  '5.0',
  '',
)
const others = fc.oneof(
  header('x-http-method-override', 'GET', 'DELETE'),
  header('transfer-encoding', 'identity', 'chunked'),
  header('content_type', 'text/plain'),
  header('__proto__', 'x'),
  header('constructor', 'x'),
  header('authorization', 'Bearer x'),
  header('x-forwarded-for', '127.0.0.1'),
  header('cookie', 'a=b; user-agent=x'),
  header('expect', '100-continue'),
)

const maybe = (arbitrary: fc.Arbitrary<readonly [string, string]>, most = 1): fc.Arbitrary<HeaderPairs> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.array(arbitrary, { maxLength: most }) },
    { weight: 1, arbitrary: fc.array(arbitrary, { minLength: 2, maxLength: 3 }) },
  )

/** Headers of a request: relevant ones mostly valid, once or absent; sometimes repeated, long or unusual. */
export const headerPairs: fc.Arbitrary<HeaderPairs> = fc
  .tuple(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant<HeaderPairs>([['User-Agent', agent]]) },
      { weight: 4, arbitrary: agents.map((pair) => [pair]) },
      { weight: 1, arbitrary: fc.array(agents, { maxLength: 3 }) },
    ),
    maybe(types),
    maybe(codings),
    maybe(lengths),
    maybe(others, 2),
    fc.oneof(
      { weight: 30, arbitrary: fc.constant<HeaderPairs>([]) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(
            fc.constantFrom('content-type', 'content-encoding', 'user-agent', 'content-length', 'x-long'),
            longText,
          )
          .map((pair): HeaderPairs => [pair]),
      },
    ),
  )
  .map((groups) => groups.flat())
