import fc from 'fast-check'
import * as scripts from '../../../src/stores/redis/scripts.js'

/*
 * Replies of the scripts of the Redis store, as in their headers. The fuzz run then damages them.
 */

/** Names of the scripts by digest. */
export const scriptNames: ReadonlyMap<string, string> = new Map(
  Object.entries(scripts).flatMap(([name, script]) => ('sha' in script ? [[script.sha, name] as const] : [])),
)

type RawReply = readonly unknown[]
/** A reply of a script. */
export type SoundReply = RawReply | number | string

/** Seconds and microseconds of the server. */
const now = ['1795000000', '250000']
const open = {
  kind: 'open',
  action: 'refund',
  since: 1_794_999_000_000,
  notBefore: 1_794_999_000_000,
}
const details = { details: '{"orderId":"8842","amount":120}', context: 'null' }
const decision = { status: 'rejected', modifiedDetails: null, note: null, decidedAt: null, via: 'poll' }
const tombstone = {
  kind: 'completed',
  holder: 'x',
  action: 'refund',
  outcome: 'rejected',
  until: 1_796_000_000_000,
}
const leased = { holder: 'x', fence: 1, leaseEnd: 1_795_000_030_000 }
const reserved = {
  ...{ kind: 'reserved', owner: 'x', ownedUntil: 1_795_000_005_000, sent: true, since: 1_794_999_000_000 },
  ...{ candidates: ['req_1'], request: { ...open, ...details, ref: 'ref_1', assistant: null, expiresAt: null } },
}
const dueAt = '1795000000000'

/** A stored entry: a line with the stamp, a line with the times, and the state. */
function stored(state: object, due: string | null = dueAt, parked: string | null = null): RawReply {
  return [...now, 'entry', `1 s.1\n${parked ?? ''} ${due ?? ''}\n${JSON.stringify(state)}`, due, parked]
}

const entries: readonly RawReply[] = [
  stored({ ...open, ...details }),
  stored({ ...open, ...details, attempts: 1, decision }),
  stored({ ...open, ...details, ...leased }, '1795000030000'),
  stored({ ...open, ...details, notBefore: 1_795_000_002_000 }),
  stored({ ...open, ...details, parked: { reason: 'adopted', note: '' } }, null, dueAt),
  stored({ ...tombstone, decision, result: '{"a":1}' }, null),
  stored(reserved),
  stored({ ...reserved, kind: 'binding', id: 'req_1', beginning: { dueInMs: 0, decision: null, parked: null } }),
  stored({ kind: 'bound', id: 'req_1', digest: 'x' }),
  stored({ kind: 'discarded', by: 'x' }, null),
  // Data that another program may have stored.
  stored({ ...open, details: '{', context: '[' }),
  stored({ ...open, ...details, decision: { status: 'approved' } }),
  stored({ ...tombstone, result: '{"a":' }, null),
  stored({ ...open, v: 2 }),
  [...now, 'entry', '1 s.1\nsoon later\n{', dueAt, null],
  [...now, 'entry', '', dueAt, null],
]

const replies: Readonly<Record<string, readonly SoundReply[]>> = {
  read: [[...now, 'none'], ...entries],
  inspect: [[...now, 'none'], [...now, 'removed'], [...now, 'unreadable', 'digest'], ...entries],
  write: [1, 1, 1, 0],
  take: [
    [null],
    [5_000],
    [0, 'a:req_1', dueAt],
    [null, 'r:ref_1', dueAt],
    [0, 'a:req_1', dueAt, 'r:ref_1', '1795000000001', '', '0'],
  ],
  page: [[], ['a:req_1', dueAt], ['a:req_1', dueAt, 'r:ref_1', '1795000000001']],
  count: [
    [1, 0, 0],
    [0, 2, 5_000],
  ],
  agree: ['1', '3'],
  probe: [['probe', 7, null, [], 'redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n']],
}

/** The writes of a case, by key. */
export type Written = Map<string, SoundReply>

/** One possible reply of a script; for a read, half of the time the last written entry, if any. */
export function soundReply(name: string, operands: readonly string[], choice: number, written: Written): SoundReply {
  const [, entry = ''] = operands
  // A written entry begins with two lines: stamp and times.
  const text = operands.find((each) => /^1 .+\n-?\d* -?\d*\n\{/.test(each)) ?? ''
  const [parked, due] = text.split('\n')[1]?.split(' ') ?? []
  if (name === 'write') written.set(entry, [...now, 'entry', text, due || null, parked || null])
  const known = written.get(entry)
  if (name === 'read' && known !== undefined && choice % 2 === 0) return known
  const all = replies[name] ?? [['OK']]
  return all[choice % all.length] ?? []
}

/** Replacements of an item. */
export const oddItem: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      undefined,
      null,
      '',
      '{',
      'x',
      '0',
      '-1',
      '9007199254740993',
      '1e3',
      'NaN',
      'approved',
      'entry',
      'none',
      'unreadable',
    ],
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

/** Errors of Redis and of its clients. */
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
