/** A model to explore. States are plain values that are never changed in place. */
export interface Model<State> {
  readonly initial: State
  /** All moves of a state. `broken`: the invariant that does not hold there. */
  moves(state: State): Iterable<Move<State>>
  /** The same text for states that have the same future. */
  key(state: State): string
}

export interface Move<State> {
  readonly name: string
  readonly to: State
  readonly broken: string | null
}

export interface Report {
  readonly states: number
  readonly transitions: number
  /** The first broken invariant, and the shortest path to it. */
  readonly broken: { readonly invariant: string; readonly path: readonly string[] } | null
  /** Count of each kind of move. */
  readonly moves: ReadonlyMap<string, number>
}

/** Visits all reachable states, breadth first, and stops at the first that breaks an invariant. */
export function explore<State>(model: Model<State>, most: number = Number.POSITIVE_INFINITY): Report {
  const seen = new Set([model.key(model.initial)])
  const states: State[] = [model.initial]
  const ways: { readonly from: number; readonly name: string }[] = [{ from: -1, name: 'begin' }]
  const moves = new Map<string, number>()
  const pathTo = (at: number): string[] => {
    const way = ways[at]
    return way === undefined || way.from < 0 ? [] : [...pathTo(way.from), way.name]
  }
  let transitions = 0
  for (let at = 0; at < states.length && states.length < most; at++) {
    const state = states[at]
    if (state === undefined) break
    for (const { name, to, broken } of model.moves(state)) {
      transitions++
      moves.set(name, (moves.get(name) ?? 0) + 1)
      if (broken !== null) {
        return { states: seen.size, transitions, broken: { invariant: broken, path: [...pathTo(at), name] }, moves }
      }
      const key = model.key(to)
      if (seen.has(key)) continue
      seen.add(key)
      states.push(to)
      ways.push({ from: at, name })
    }
    // Only the path back is needed now.
    Reflect.deleteProperty(states, at)
  }
  return { states: seen.size, transitions, broken: null, moves }
}
