import fc from 'fast-check'
import * as scripts from '../../../src/stores/redis/scripts.js'

/*
 * What the scripts of the Redis store reply, as their headers say; what is drawn from here is then damaged.
 */

/** Names of the scripts by the digest that a command carries. */
export const scriptNames: ReadonlyMap<string, string> = new Map(
  Object.entries(scripts).flatMap(([name, script]) => ('sha' in script ? [[script.sha, name] as const] : [])),
)

export type RawReply = readonly unknown[]

const record = [null, 'refund', null, null, '{"orderId":"8842","amount":120}', 'null']
const ofRef = ['ref_1', ...record.slice(1)]
const sealed = '{"status":"rejected","modifiedDetails":null,"note":null,"decidedAt":null,"via":"poll"}'
const done = ['done', null, 'refund', null, 'rejected', sealed, '{"a":1}']
/** What a store may hold after somebody else wrote to it: text that is no JSON, and a time that is none. */
const damaged = [null, 'refund', null, 'soon', '{', '[']
const damagedDone = ['done', null, 'refund', null, 'approved', '{"status":"approved"}', '{"a":']
const half = ['half', 'req_1', 1_795_000_000_000, 0, null, null, ...ofRef]
const due = ['due', 'a:req_1', '1795000000000', 'r:ref_1', '1795000000001', 'b:ref_2', '1795000000002']

const replies: Readonly<Record<string, readonly RawReply[]>> = {
  put: [['added'], ['exists', 'ref_1', 0], ['exists', null, 5]],
  claim: [
    ['claimed', 1, 0, null, 5, ...record],
    ['claimed', 2, 1, sealed, 5, ...record],
    ['claimed', 2, 1, '{"status":"approved"}', 5, ...record],
    ['claimed', 1, 0, null, 5, ...record.slice(0, 4), '{', '['],
    ['claimed', 1, 0, null, 5, ...damaged],
    damagedDone,
    ...[['unknown'], ['foreign'], ['parked', 'adopted'], ['held', 500], ['too-soon', 800], ['unreadable'], done],
  ],
  knock: [['knocked'], ['done'], ['parked'], ['foreign'], ['unknown']],
  extend: [['extended'], ['lost']],
  seal: [['sealed', sealed, 1], ['lost'], ['sealed', '{', 1], ['sealed', '{"status":"approved"}', 1]],
  release: [['released'], ['lost']],
  complete: [['done', 'ref_1'], ['done', null], ['lost']],
  park: [['parked'], ['lost']],
  retry: [['pending'], ['not-parked'], ['unknown']],
  cancel: [['cancelled', 'ref_1'], ['cancelled', null], ['held'], ['done'], ['unknown']],
  read: [
    ...[
      ['none'],
      done,
      damagedDone,
      ['pending', 1, 0, null, 5, -3, ...record],
      ['claimed', 1, 1, sealed, 5, 900, ...record],
    ],
    ['parked', 1, 0, null, 5, 'adopted', '', ...record],
  ],
  reserve: [['reserved'], ['open'], ['bound', 'req_1'], half],
  bind: [half, ['bound', 'req_1'], ['bound', 'req_2'], ['unknown']],
  settle: [['settled']],
  hold: [['held'], ['full'], ['bound'], ['unknown'], half],
  discard: [['discarded'], ['bound', 'req_1'], ['unknown'], half],
  postpone: [['postponed'], ['bound', 'req_1'], ['unknown'], half],
  peek: [['open', 60_000, ...ofRef, 'req_1'], ['none'], ['bound', 'req_1'], half],
  look: [due, ['due']],
  take: [due, ['due'], ['due', 'a:req_1', '1795000000000']],
  page: [['page', 'req_1', '1795000000000'], ['page', 'a:req_1', '1', 'r:ref_1', '2'], ['page']],
  count: [
    ['counts', 1, 0, -5],
    ['counts', 0, 0, null],
  ],
  probe: [['probe', 7, null, [], 'redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n']],
}

/** One of the replies that a script has. */
export function soundReply(name: string, choice: number): RawReply {
  const all = replies[name] ?? [['OK']]
  return all[choice % all.length] ?? []
}

/** What may stand in the place of one of its items. */
export const oddItem: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[undefined, null, '', '{', 'x', '0', '-1', '9007199254740993', '1e3', 'NaN', 'approved', 'half', 'cancelled'],
    ...[-1, 0, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 10n, 2n ** 64n, true, [], {}, ['x'], [[]]],
    ...[
      Buffer.from('x'),
      new Map([['x', 1]]),
      new Error('ERR x'),
      Symbol('s'),
      new Date(0),
      'a:',
      'r:',
      'b:',
      '__proto__',
    ],
  ),
  fc.anything(),
)

/** Errors as Redis words them, and as its clients throw them. */
export const redisError: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      ...[
        'NOSCRIPT No matching script.',
        'WRONGTYPE Operation against a key',
        'OOM command not allowed',
        'READONLY You can',
        'LOADING',
      ],
      ...[
        'MOVED 1 127.0.0.1:1',
        'ERR unknown command',
        'ERR Error running script: x',
        '-NOSCRIPT x',
        '',
        'NOAUTH',
        'BUSY x',
        'x',
      ],
      'ERR Error running script (call to f_1): @user_script:7: WRONGTYPE x',
    ].map((message) => new Error(message)),
    ...[Object.assign(new Error('read'), { code: 'ECONNRESET' }), new TypeError('x'), undefined, null, 'NOSCRIPT', {}],
  ),
  fc.anything(),
)
