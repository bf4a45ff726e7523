import type { Store } from '../../../src/stores/store.js'
import { comesDue, dueInvariant, firstBroken, isOpen, type View } from './invariants.js'
import { type Step, steps } from './steps.js'
import { id, type Policy, ref, type Worker, World } from './world.js'

export interface Report {
  readonly states: number
  readonly transitions: number
  /** The first invariant that broke, and the shortest way there. */
  readonly broken: { readonly invariant: string; readonly path: readonly string[] } | null
}

/**
 * Visits every state that can be reached, nearest first. A store cannot be copied, and looking closely changes it, so
 * each transition is taken in a world of its own that first walks the way there.
 */
export async function explore(policy: Policy, bug?: (store: Store) => Store): Promise<Report> {
  const seen = new Set<string>()
  const paths: (readonly Step[])[] = [[]]
  let transitions = 0
  const walk = async (path: readonly Step[]): Promise<World> => {
    const world = new World(policy, bug)
    for (const step of path) await step.take(world)
    return world
  }
  for (const path of paths) {
    const here = await walk(path)
    for (const step of steps.filter((each) => each.isPossible(here))) {
      const way = [...path, step]
      const view = await look(await walk(way))
      transitions++
      const state = await digest(view)
      if (seen.has(state)) continue
      seen.add(state)
      const invariant = firstBroken(view) ?? ((await comesDue(await look(await walk(way)))) ? undefined : dueInvariant)
      if (invariant !== undefined) {
        return { states: seen.size, transitions, broken: { invariant, path: way.map(({ name }) => name) } }
      }
      paths.push(way)
    }
  }
  return { states: seen.size, transitions, broken: null }
}

async function look(world: World): Promise<View> {
  const { store } = world
  return {
    world,
    snapshot: await store.get(id),
    reservation: await store.reservation(ref),
    nextDueInMs: await store.nextDueInMs(),
  }
}

/**
 * All that the future depends on, and nothing that only grows: what the store shows, what it shows only to whoever
 * tries, what the workers know, and what the invariants ask of the ledger. The workers are alike, so their order is none.
 * Spoils the world.
 */
async function digest({ world, snapshot, reservation, nextDueInMs }: View): Promise<string> {
  const { ledger, workers, policy } = world
  const open = isOpen(snapshot)
  return JSON.stringify([
    [world.submission, world.decided, nextDueInMs, reservation?.candidates.length],
    [snapshot?.state, open && [snapshot.starts, snapshot.sealed, await probe(world)]],
    workers.map((worker) => digestWorker(world, worker)).sort(),
    [ledger.claimed, snapshot?.state !== 'done' && [ledger.owed, ledger.quick, ledger.confirmed]],
    policy.guarantee === 'at-most-once' && ledger.starts,
    [ledger.completions.size, ledger.unearnedCompletions, ledger.unconfirmedStarts],
    [ledger.strayWrites, ledger.earlyTakeovers],
  ])
}

/** What only a claim and a release bring to light: lease, `notBefore`, and whether a quick look is owed. */
async function probe({ store, ledger }: World): Promise<unknown> {
  const answer = await store.claim(id, 'probe', 1, {})
  if (answer.kind === 'too-soon') await store.claim(id, 'probe', 1, { force: true })
  const token = answer.kind === 'held' ? (ledger.token ?? '') : 'probe'
  const released = await store.release(id, token, { dueInMs: 9, notBeforeMs: 0 })
  const wait = answer.kind === 'held' ? answer.forMs : answer.kind === 'too-soon' ? answer.inMs : 0
  return [answer.kind, wait, released, await store.nextDueInMs()]
}

function digestWorker({ ledger, policy }: World, worker: Worker): string {
  const { phase, token, joined, sealed, mustPark, confirmed, ran, resends } = worker
  if (token === '') return phase
  const trusts = policy.trustsCallbacks === true && worker.byCallback
  const stands = [token === ledger.token, ledger.completions.has(token), worker.life === ledger.life]
  return [phase, ...stands, trusts, joined, sealed, mustPark, confirmed, ran, resends].join()
}
