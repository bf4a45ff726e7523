import type { Entry } from '../../../src/stores/store.js'
import {
  type ApprovalWorld,
  brokenIn,
  type Flight,
  idle,
  type Operation,
  openOf,
  read,
  type State,
  spend,
  times,
  type Worker,
  withWorker,
} from './approval-world.js'
import type { Model, Move } from './explore.js'

/** All moves of one approval and two workers. */
export function approvalModel(world: ApprovalWorld): Model<State> {
  return {
    initial: world.initial,
    key: keyOf,
    *moves(state) {
      for (const [name, to] of around(world, state)) yield move(name, to)
      for (const at of [0, 1] as const) for (const [name, to] of byWorker(world, state, at)) yield move(name, to)
    },
  }
}

function move(name: string, to: State): Move<State> {
  return { name, to, broken: brokenIn(to) }
}

type Named = readonly [name: string, to: State]

function* around(world: ApprovalWorld, state: State): Iterable<Named> {
  const { entry, left, api, late, now } = state
  if (entry === null && left.lives > 0) yield ['the request is added', world.add(state)]
  if (state.drawn === 0) return
  if (api === null) yield ['a reviewer decides', { ...state, api: 'approved' }]
  if (api !== null && left.flips > 0)
    yield ['the API says otherwise', spend({ ...state, api: api === 'approved' ? 'rejected' : 'approved' }, 'flips')]
  yield ['time passes', { ...state, now: now + 1 }]
  if (left.steps > 0)
    yield [
      'the clock of the store is set forward',
      spend({ ...state, now: now + times.lease, step: times.lease }, 'steps'),
    ]
  if (entry === null) return
  yield ['a callback nudges', world.nudge(state)]
  if (left.persons > 0) {
    yield ['a person cancels', world.cancel(state)]
    yield ['a person retries', world.retry(state)]
  }
  if (openOf(entry) === null) yield ['the tombstone ends', world.expire(state)]
  if (late !== null) yield ['a late write lands', { ...world.land(state, late), late: null }]
}

function* byWorker(world: ApprovalWorld, state: State, at: 0 | 1): Iterable<Named> {
  const worker = state.workers[at]
  const { phase, flight, rejected } = worker
  const begin = (by: Operation): Named => [by, world.begin(state, at, by)]
  if (phase === 'idle' && flight === null && rejected === null) {
    if (state.drawn === 0) return
    yield begin('claims for a callback')
    if (state.entry?.dueAt != null && state.entry.dueAt <= state.now)
      yield ['claims for a sweep', world.begin(world.hide(state), at, 'claims for a sweep')]
    return
  }
  yield ['dies', withWorker(state, at, idle)]
  if (flight !== null) {
    yield [`${flight.by}: answered`, world.answer(state, at)]
    if (state.left.faults === 0) return
    yield [`${flight.by}: the answer is lost`, world.loseAnswer(state, at)]
    yield [`${flight.by}: late`, world.delay(state, at)]
    return
  }
  if (rejected !== null) {
    yield [`${rejected}: again`, world.begin(state, at, rejected)]
    // A failed renewal is retried later, or not.
    if (rejected === 'extends' && phase === 'running')
      yield ['the run goes on', withWorker(state, at, { ...worker, rejected: null })]
    return
  }
  switch (phase) {
    case 'idle':
      return
    case 'claimed': {
      const asked = world.confirm(state, at)
      const then = (by: Operation): Named => [by, world.begin(asked, at, by)]
      if (asked.workers[at].phase === 'undecided') yield then('releases undecided')
      else {
        yield then('records')
        yield then('records without a place')
      }
      return
    }
    case 'ready':
      if (world.hasEnough(state, at)) yield ['starts', world.start(state, at)]
      else yield begin('extends')
      yield begin('gives the attempt back')
      return
    case 'running': {
      yield begin('extends')
      const ended = withWorker(state, at, { ...worker, phase: 'ended', ran: true })
      yield ['completes', world.begin(ended, at, 'completes')]
      const fail = world.policy.guarantee === 'at-most-once' ? 'parks' : 'releases a failed run'
      yield [fail, world.begin(withWorker(state, at, { ...worker, phase: 'ended' }), at, fail)]
      return
    }
    // The last write of an ended operation may still be in flight.
    case 'undecided':
    case 'confirmed':
    case 'ended':
  }
}

/** The smaller key of the two orders of the workers, which are interchangeable. */
function keyOf(state: State): string {
  const [a, b] = state.workers.map(
    (worker) => `${worker.phase}${worker.flight?.by}${worker.rejected}${worker.believes}`,
  )
  if (a === undefined || b === undefined) return ''
  if (a !== b) return a < b ? keyIn(state, [0, 1]) : keyIn(state, [1, 0])
  const [one, other] = [keyIn(state, [0, 1]), keyIn(state, [1, 0])]
  return one < other ? one : other
}

/**
 * The part of a state that decides its future. Times are relative to now; stamps and tokens are numbered by first
 * appearance. Of an entry that no write can match any more, only the fields that its holder reads are included.
 */
function keyIn(state: State, order: readonly (0 | 1)[]): string {
  const { now, step, entry, late, ledger, workers, left } = state
  const names: string[] = []
  const name = (text: string | null): string => {
    if (text === null) return '-'
    const at = names.indexOf(text)
    return String(at < 0 ? names.push(text) - 1 : at)
  }
  const ahead = (time: number | null): string => (time === null ? '-' : String(Math.max(time - now, 0)))
  const canLand = ({ expected }: Flight): boolean =>
    expected === (entry?.stamp ?? null) ||
    workers.some(({ flight }) => flight?.entry.stamp === expected) ||
    late?.entry.stamp === expected
  const show = (shown: Entry | null): string => {
    const found = read(shown)
    if (shown === null || found === null) return '-'
    if (found.kind === 'completed') return `${name(shown.stamp)}c${name(found.holder)}`
    const { holder, leaseEnd, counted, notBefore, nudged, quickPolls, decision, parked, attempts } = found
    return (
      `${name(shown.stamp)},${ahead(shown.dueAt)},${name(holder)},${ahead(leaseEnd)},${counted ? 'c' : ''},` +
      `${ahead(notBefore)},${nudged ? 'n' : ''}${quickPolls},${decision?.status},${parked === null ? '' : 'p'}${attempts}`
    )
  }
  const showHeld = (held: Entry | null): string => {
    if (held === null) return '-'
    if (held.stamp === entry?.stamp) return name(held.stamp)
    const found = openOf(held)
    if (found === null) return 'old'
    return `old${name(found.holder)}${found.leaseEnd === null}${found.decision?.status}${found.attempts}`
  }
  const showFlight = (flight: Flight): string => {
    const sentAt = Math.max(flight.sentAt + times.lease - (now - step), 0)
    const isClaim = flight.by.startsWith('claims')
    if (!canLand(flight)) return `${flight.by},${name(flight.token)},${isClaim ? '' : sentAt}`
    const { by, token, expected, result, earned } = flight
    return `${by},${name(token)},${name(expected)},${show(flight.entry)},${result},${earned},${sentAt}`
  }
  const showWorker = ({ phase, token, held, heldStep, believes, said, ran, flight, rejected }: Worker): string => {
    if (token === '') return phase
    const isDone = phase === 'ended' || phase === 'undecided'
    return (
      `${phase},${name(token)},${showHeld(held)},${step - heldStep},${isDone ? '' : Math.max(believes - (now - step), 0)},` +
      `${phase === 'confirmed' ? said : ''},${ran},${rejected},${flight === null ? '' : showFlight(flight)}`
    )
  }
  const { recorded, completions, starts, counted, nudged } = ledger
  const main = `${left.faults}${left.flips}${left.steps}${left.lives}${left.persons}${state.api}${step}|${show(entry)}`
  const shown = order.map((at) => showWorker(workers[at])).join('|')
  const landing = late === null || !canLand(late) ? '-' : showFlight(late)
  const held = openOf(entry)
  const isCounted = counted.includes(`${held?.holder}/${held?.fence}`)
  return `${main}|${shown}|${landing}|${recorded}${completions}${Math.min(starts, 2)}${counted.length}${isCounted}${nudged}`
}
