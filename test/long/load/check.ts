import type { Entry } from '../../support/log.js'
import { type AnswerCount, bounds, type Delay, type Footprint, genuineId } from './messages.js'

/** All records of a run. The laws are checked against these, not against events of the library. */
export interface Evidence {
  /** Number of planned decisions. */
  readonly genuine: number
  /** Lines of the handler: `start`. */
  readonly ledger: readonly Entry[]
  /** Lines of the process in the role of Cheqpoint: `decided`, `get`. */
  readonly cheqpoint: readonly Entry[]
  /** Lines of the reviewer: `answer`. */
  readonly reviewer: readonly Entry[]
  readonly answers: readonly AnswerCount[]
  /** Why the receiver's process ended, or `null` if it survived. */
  readonly died: string | null
  readonly before: Footprint
  readonly after: Footprint
  /** Event-loop delays of the receiver and of Cheqpoint. */
  readonly delays: readonly Delay[]
}

export interface Violation {
  readonly law: string
  readonly what: string
}

/** Allowed growth of the heap: tombstones, bounded caches, and compiled code. */
const heapSlackBytes = 8 * 1_048_576
/** Tolerance between the clocks of two processes, in milliseconds. */
const slackMs = 5

const shed = '503 overloaded'
/** Allowed responses to a callback that reaches the pipeline. */
const looked = [
  ...['202 undecided', '202 too-soon', '202 over-budget', '202 no-free-slot', '202 in-progress', '202 running'],
  ...['202 api-failed', shed],
]
/** Allowed responses by kind of request; `0 -` is a connection that ended without a response. */
const lawful: Readonly<Record<string, readonly string[]>> = {
  'slow-headers': [],
  'slow-body': ['408 body-too-slow', shed],
  'half-upload': ['408 body-too-slow', shed],
  'wrong-agent': ['403 agent-refused', shed],
  'no-agent': ['403 agent-refused', shed],
  'no-token': ['401 token-refused', shed],
  malformed: ['400 malformed', shed],
  'no-id': ['400 malformed', shed],
  'unknown-id': ['404 unknown-approval', shed],
  'wrong-method': ['405 method-not-allowed'],
  'wrong-type': ['415 media-type-refused', shed],
  'too-large-declared': ['413 body-too-large', shed],
  // A connection that is closed while bytes arrive may be reset before its response is read.
  'too-large-chunked': ['413 body-too-large', shed, '0 -'],
  spoof: looked,
  'spoof-no-token': ['401 token-refused', shed],
  'spoof-invented-token': ['401 token-refused', shed],
  'spoof-other-token': ['401 token-refused', shed],
  genuine: ['200 handled', ...looked],
}

export function check(evidence: Evidence): readonly Violation[] {
  return [
    ...handledOnce(evidence),
    ...rightEffects(evidence),
    ...withinBudget(evidence),
    ...oncePerGap(evidence),
    ...lawfulAnswers(evidence),
    ...unharmed(evidence),
  ]
}

/** L1: every genuine decision is handled exactly once. */
function* handledOnce({ genuine, ledger, cheqpoint }: Evidence): Generator<Violation> {
  const decided = new Set(cheqpoint.filter(({ kind }) => kind === 'decided').map(({ words: [id] }) => id))
  const starts = new Map<string, number>()
  for (const { words } of ledger) starts.set(words[0] ?? '', (starts.get(words[0] ?? '') ?? 0) + 1)
  for (let n = 0; n < genuine; n++) {
    const id = genuineId(n)
    const count = starts.get(id) ?? 0
    if (!decided.has(id)) yield { law: 'L1', what: `${id} was never decided` }
    else if (count !== 1) yield { law: 'L1', what: `${id} was handled ${count} times` }
  }
}

/** L2: no handler started without, before or against a decision. */
function* rightEffects({ ledger, cheqpoint }: Evidence): Generator<Violation> {
  const decisions = new Map(
    cheqpoint.filter(({ kind }) => kind === 'decided').map((decided) => [decided.words[0], decided]),
  )
  for (const { at, words } of ledger) {
    const [id = '', , ...effect] = words
    const decided = decisions.get(id)
    const [, ...due] = decided?.words ?? []
    if (decided === undefined) yield { law: 'L2', what: `${id} ran, and was never decided` }
    else if (at < decided.at) yield { law: 'L2', what: `${id} ran ${decided.at - at} ms before it was decided` }
    else if (effect[0] !== due[0] || effect[1] !== due[1]) {
      yield { law: 'L2', what: `${id} ran as ${effect.slice(0, 2).join(' ')}, decided as ${due.join(' ')}` }
    }
  }
}

/**
 * L3: in any interval, no more GETs than the budgets allow: the tokens of one second, and the tokens of that interval.
 * The first GET of a genuine approval is free, since its callback has a valid token. A GET may reach Cheqpoint late by
 * the time that a process was stalled.
 */
function* withinBudget({ genuine, cheqpoint, delays }: Evidence): Generator<Violation> {
  const most = bounds.callbackGets + bounds.sweepGets
  const lateMs = 50 + 2 * delays.reduce((sum, { max }) => sum + max, 0)
  const free = new Set(Array.from({ length: genuine }, (_, n) => genuineId(n)))
  let left = most
  let last = 0
  for (const { at, kind, words } of cheqpoint) {
    if (kind !== 'get' || free.delete(words[0] ?? '')) continue
    if (last > 0) left = Math.min(most, left + ((at - last) / 1_000) * most)
    last = at
    left--
    if (left >= -1 - (lateMs / 1_000) * most) continue
    yield { law: 'L3', what: `a GET came ${Math.ceil((-left / most) * 1_000)} ms ahead of the budgets` }
    return
  }
}

/** L4: one GET for an approval in `minIntervalMs`. */
function* oncePerGap({ cheqpoint }: Evidence): Generator<Violation> {
  const asked = new Map<string, number>()
  for (const { at, kind, words } of cheqpoint) {
    if (kind !== 'get') continue
    const [id = ''] = words
    const before = asked.get(id)
    asked.set(id, at)
    if (before === undefined || at - before >= bounds.minIntervalMs - slackMs) continue
    yield { law: 'L4', what: `${id} was asked for twice within ${at - before} ms` }
  }
}

/** L5: each response is allowed for its kind of request. */
function* lawfulAnswers({ answers, reviewer }: Evidence): Generator<Violation> {
  const genuine = reviewer.map(({ words: [, sort = '', status, code = ''] }) => ({
    ...{ sort, status: Number(status), code, count: 1 },
  }))
  for (const { sort, status, code, count } of [...answers, ...genuine]) {
    if (lawful[sort]?.includes(`${status} ${code}`) === true) continue
    yield { law: 'L5', what: `${count} × ${sort} was answered ${status} ${code}` }
  }
}

/** L6 and L7: the process is alive, its heap is as before, and no attacker's connection is open. */
function* unharmed({ died, before, after }: Evidence): Generator<Violation> {
  if (died !== null) {
    yield { law: 'L6', what: died }
    return
  }
  const grown = after.heapBytes - before.heapBytes
  if (grown > heapSlackBytes) yield { law: 'L7', what: `${grown} bytes of heap were left` }
  if (after.connections > 0) yield { law: 'L7', what: `${after.connections} connections were left` }
}
