import {
  type BindingWorld,
  brokenIn,
  type Flight,
  type Id,
  idle,
  type Key,
  readAt,
  readRef,
  type State,
  spend,
  unit,
  type Worker,
  withWorker,
} from './binding-world.js'
import type { Model, Move } from './explore.js'

type Named = readonly [name: string, to: State]

/** All moves of one submission and two workers. */
export function bindingModel(world: BindingWorld): Model<State> {
  return {
    initial: world.initial,
    key: (state) => {
      const [one, other] = [keyIn(state, [0, 1]), keyIn(state, [1, 0])]
      return one < other ? one : other
    },
    *moves(state) {
      for (const [name, to] of around(world, state)) yield move(name, to)
      for (const at of [0, 1] as const) for (const [name, to] of byWorker(world, state, at)) yield move(name, to)
    },
  }
}

function move(name: string, to: State): Move<State> {
  return { name, to, broken: brokenIn(to) }
}

function* around(world: BindingWorld, state: State): Iterable<Named> {
  const { left, late, sent, ends } = state
  if (state.drawn === 0) return
  yield ['time passes', { ...state, now: state.now + unit }]
  if (left.discards > 0) yield ['a person discards', world.discard(state)]
  for (const id of sent) {
    yield [`a callback names ${id}`, world.name(state, id)]
    if (readAt(state, `a${id}`)?.kind === 'open') yield [`the handler of ${id} runs`, world.complete(state, id)]
  }
  if (left.strangers > 0) {
    yield ['a leaked token names 2', spend(world.name(state, '2'), 'strangers')]
    for (const id of ['1', '2'] as const)
      if (state.entries[`a${id}`] === null && (id === '2' || sent.includes(id)) && !state.followed.includes(id))
        yield [`${id} is tracked elsewhere`, world.trackElsewhere(state, id)]
  }
  for (const key of ['r', 'a1', 'a2'] as const)
    if (ends[key] && isOver(state, key) && !isAwaited(state, key)) yield [`${key} ends`, world.end(state, key)]
  if (late !== null) yield ['a late write lands', { ...world.land(state, late), late: null }]
}

function isOver(state: State, key: Key): boolean {
  const found = key === 'r' ? null : readAt(state, key)
  return found?.kind !== 'completed' || found.until <= state.now
}

/** Whether a first write is in flight. No write is in flight, and no worker stalls, as long as a tombstone is kept. */
function isAwaited({ workers, late }: State, key: Key): boolean {
  const isFirst = (flight: Flight | null): boolean => flight?.key === key && flight.expected === null
  const isAbout = ({ id, phase, alone, begun }: Worker): boolean =>
    phase !== 'idle' && `a${id}` === key && (alone || begun !== null)
  return (
    isFirst(late) ||
    workers.some((worker) => isFirst(worker.flight) || isAbout(worker) || (key === 'r' && worker.phase !== 'idle'))
  )
}

function* byWorker(world: BindingWorld, state: State, at: 0 | 1): Iterable<Named> {
  const worker = state.workers[at]
  const { phase, flight, rejected } = worker
  if (phase === 'idle') {
    if (state.left.submits > 0) yield ['submits', world.submit(state, at)]
    const { r } = state.entries
    if (r?.dueAt != null && r.dueAt <= state.now) yield ['a sweep settles', world.settle(state, at)]
    return
  }
  yield ['dies', withWorker(state, at, idle)]
  if (phase === 'may send') {
    yield ['sends', world.send(state, at, true)]
    yield ['sends, and hears nothing', world.send(state, at, false)]
    return
  }
  if (flight !== null) {
    yield [`${flight.by}: answered`, world.answer(state, at)]
    if (state.left.faults === 0) return
    yield [`${flight.by}: the answer is lost`, world.loseAnswer(state, at)]
    yield [`${flight.by}: late`, world.delay(state, at)]
    return
  }
  if (rejected !== null) yield [`${rejected}: again`, world.begin(state, at, rejected)]
}

/** Like the key of an approval's state. */
function keyIn(state: State, order: readonly (0 | 1)[]): string {
  const { now, entries, ends, late, workers, left, sent, freed, followed } = state
  const names: string[] = []
  const name = (text: string | null): string => {
    if (text === null) return '-'
    const at = names.indexOf(text)
    return String(at < 0 ? names.push(text) - 1 : at)
  }
  const units = (ms: number): number => Math.min(Math.max(Math.ceil(ms / unit), 0), 4)
  const dueIn = (dueAt: number | null): string => (dueAt === null ? '-' : String(units(dueAt - now)))
  const showRef = (from: State): string => {
    const { r } = from.entries
    const found = readRef(from)
    if (r === null || found === null) return '-'
    const main = `${name(r.stamp)}${found.kind}${dueIn(r.dueAt)}`
    if (found.kind === 'discarded') return `${main}${name(found.by)}`
    if (found.kind === 'bound') return `${main}${found.id}`
    const { owner, ownedUntil, sent: isSent, since, candidates } = found
    const binding = found.kind === 'binding' ? `${found.id}${found.beginning.parked}` : ''
    return `${main}${name(owner)},${units(ownedUntil - now)}${isSent}${Math.min(now - since, 2 * unit)}${candidates}${binding}`
  }
  const showApproval = (from: State, key: `a${Id}`): string => {
    const entry = from.entries[key]
    const found = readAt(from, key)
    if (entry === null || found === null) return '-'
    return `${name(entry.stamp)}${found.kind}${found.ref}${dueIn(entry.dueAt)}${found.kind === 'completed' ? units(found.until - now) : ''}`
  }
  const canLand = ({ key, expected }: Flight): boolean =>
    expected === (entries[key]?.stamp ?? null) ||
    [...workers.map(({ flight }) => flight), late].some((each) => each?.key === key && each.entry.stamp === expected)
  const showFlight = (flight: Flight): string => {
    const { by, key, expected, entry } = flight
    if (!canLand(flight)) return by
    const shown = { ...state, entries: { ...entries, [key]: entry } }
    return `${by}${key}${name(expected)}${key === 'r' ? showRef(shown) : showApproval(shown, key)}`
  }
  const showWorker = (worker: Worker): string => {
    const { phase, token, id, begun, isBound, isAdopted, keepMs, alone, flight, rejected } = worker
    if (phase === 'idle') return ''
    return (
      `${phase}${name(token)}${id}${begun?.id}${begun?.beginning.parked}${isBound}${isAdopted}${alone}` +
      `${keepMs === null ? '' : units(keepMs)}${rejected}${flight === null ? '' : showFlight(flight)}`
    )
  }
  const stored = `${showRef(state)}|${showApproval(state, 'a1')}|${showApproval(state, 'a2')}|${Object.values(ends)}`
  const shown = order.map((at) => showWorker(workers[at])).join('|')
  const landing = late === null || !canLand(late) ? '' : showFlight(late)
  return `${Object.values(left)}|${stored}|${shown}|${landing}|${sent}|${freed}|${followed}`
}
