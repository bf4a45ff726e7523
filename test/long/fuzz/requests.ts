import fc from 'fast-check'
import { path } from '../../support/hosts.js'
import type { Sent } from '../../support/raw-http.js'
import { agent } from './bench.js'
import { sentBody } from './bodies.js'
import { type HeaderPairs, headerPairs } from './headers.js'
import { mint } from './token-oracle.js'

export const secret = 'the secret of the adapters'
export const ref = 'ref_1'
/** Longer than any run. */
export const token: string = mint(secret, ref, 4_000_000_000_000)

const query = fc.oneof(
  { weight: 12, arbitrary: fc.constant(`?cq=${token}`) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        '',
        '?',
        '?cq=',
        `?x=%zz&cq=${token}`,
        `?cq=${token}&`,
        `?cq=${token}&cq=`,
        `?cq=${token}&cq=${token}`,
        `?cq=${token}%00`,
      ],
      ...[
        `?cq=%2B${token}`,
        `?cq=${token.replaceAll('.', '%2E')}`,
        `?cq=${token.replaceAll('.', '%252E')}`,
        `?CQ=${token}`,
      ],
      ...[
        `?a=1;cq=${token}`,
        `?cq=${token}+`,
        `?cq[]=${token}`,
        `?c%71=${token}`,
        `?cq=${token.slice(1)}`,
        `?cq=${token}x`,
      ],
      ...[
        `??cq=${token}`,
        `?&cq=${token}`,
        `?cq=${token}?`,
        `?cq=${token}/..`,
        `?cq=${token}\\`,
        `?cq="${token}"`,
        `?cq=${token}|{}^\``,
      ],
    ),
  },
)

/**
 * Limits of the generated requests: the sender sets the framing, servers refuse headers that are too large, and Node.js
 * itself responds to unknown expectations.
 */
const passing = (pairs: HeaderPairs): HeaderPairs =>
  pairs.filter(([name, value]) => {
    const lower = name.toLowerCase()
    if (lower === 'expect') return value === '100-continue'
    return lower !== 'content-length' && lower !== 'transfer-encoding' && value.length < 9_000
  })

/** Requests that any server accepts, mostly similar to a callback of Cheqpoint. */
export const anyRequest: fc.Arbitrary<Sent> = fc
  .record({
    method: fc.oneof(
      { weight: 30, arbitrary: fc.constant('POST') },
      { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS') },
    ),
    query,
    pairs: fc.oneof(
      {
        weight: 2,
        arbitrary: fc.constant<HeaderPairs>([
          ['User-Agent', agent],
          ['Content-Type', 'application/json'],
        ]),
      },
      { weight: 1, arbitrary: headerPairs },
    ),
    body: sentBody,
    genuine: fc.boolean(),
    framing: fc.constantFrom('length' as const, 'length' as const, 'chunked' as const),
  })
  .map(({ method, query: asked, pairs, body, genuine, framing }) => {
    const bodyless = method === 'GET' || method === 'HEAD'
    const bytes = genuine ? Buffer.from('{"approvalId":"req_1","status":"approved"}') : body.bytes
    const headers = passing(pairs)
    return {
      method,
      path: `${path}${asked}`,
      headers,
      body: bodyless ? '' : bytes,
      framing: bodyless ? 'length' : framing,
    }
  })
