import type { Entry } from '../../support/log.js'
import { type AnswerCount, bounds, type Delay, type Footprint, genuineId } from './messages.js'

/** Everything that a run left behind. The laws are held against this, and against nothing that the library says. */
export interface Evidence {
  /** Decisions that the reviewer was to make. */
  readonly genuine: number
  /** Written by the handler: `start`. */
  readonly ledger: readonly Entry[]
  /** Written by the process that stands for Cheqpoint: `decided`, `get`. */
  readonly cheqpoint: readonly Entry[]
  /** Written by the reviewer: `answer`. */
  readonly reviewer: readonly Entry[]
  readonly answers: readonly AnswerCount[]
  /** Why the receiver's process ended, or `null` if it was alive to the end. */
  readonly died: string | null
  readonly before: Footprint
  readonly after: Footprint
  /** Of the receiver and of Cheqpoint. */
  readonly delays: readonly Delay[]
}

export interface Violation {
  readonly law: string
  readonly what: string
}

/** Heap that may be left after the attack: tombstones, the bounded caches, and what the engine compiled. */
const heapSlackBytes = 8 * 1_048_576
/** The logs of two processes are read to the millisecond. */
const slackMs = 5

const shed = '503 overloaded'
/** Design section 7: what may be said of a callback that may be looked into. */
const looked = [
  ...['202 undecided', '202 too-soon', '202 over-budget', '202 no-free-slot', '202 in-progress', '202 running'],
  ...['202 api-failed', shed],
]
/** The same for each sort of request; `0 -` is a connection that ended without an answer. */
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
  // A connection that is closed while bytes come in may be reset before its answer is read.
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

/** L1: every genuine decision is made, and handled exactly once. */
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

/** L2: no handler started without a decision, before it, or with another one. */
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
 * L3: in any time, short or long, no more GETs than the budgets allow: a second's worth saved up, and what comes in
 * that time. The first GET for a genuine approval is free: its callback has the token of its approval. A GET may reach
 * Cheqpoint later than it was allowed by as long as a process stood still.
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

/** L5: each answer is one that the table has for such a request. */
function* lawfulAnswers({ answers, reviewer }: Evidence): Generator<Violation> {
  const genuine = reviewer.map(({ words: [, sort = '', status, code = ''] }) => ({
    ...{ sort, status: Number(status), code, count: 1 },
  }))
  for (const { sort, status, code, count } of [...answers, ...genuine]) {
    if (lawful[sort]?.includes(`${status} ${code}`) === true) continue
    yield { law: 'L5', what: `${count} × ${sort} was answered ${status} ${code}` }
  }
}

/** L6 and L7: the process is alive; its heap is as before, and no stranger's connection is left. */
function* unharmed({ died, before, after }: Evidence): Generator<Violation> {
  if (died !== null) {
    yield { law: 'L6', what: died }
    return
  }
  const grown = after.heapBytes - before.heapBytes
  if (grown > heapSlackBytes) yield { law: 'L7', what: `${grown} bytes of heap were left` }
  if (after.connections > 0) yield { law: 'L7', what: `${after.connections} connections were left` }
}
