import type { Store } from '../../../src/store.js'
import { everyOpenRecordComesDue, invariants, type View } from './invariants.js'
import { type Step, steps } from './steps.js'
import { id, type Policy, ref, type Worker, World } from './world.js'

export interface Report {
  readonly states: number
  readonly transitions: number
  /** The first invariant that broke, and the shortest way there. */
  readonly broken: { readonly invariant: string; readonly path: readonly string[] } | null
}

/**
 * Visits every state that can be reached, nearest first. A store cannot be copied, so each transition is taken in a world
 * of its own that first walks the way there.
 */
export async function explore(policy: Policy, bug?: (store: Store) => Store): Promise<Report> {
  const seen = new Set<string>()
  const paths: (readonly Step[])[] = [[]]
  let transitions = 0
  for (const path of paths) {
    const here = await walk(policy, bug, path)
    for (const step of steps.filter((each) => each.isPossible(here))) {
      const way = [...path, step]
      const world = await walk(policy, bug, way)
      transitions++
      const view = await look(world)
      const state = digest(view)
      if (seen.has(state)) continue
      seen.add(state)
      const invariant = await firstBroken(view)
      if (invariant !== undefined) {
        return { states: seen.size, transitions, broken: { invariant, path: way.map(({ name }) => name) } }
      }
      paths.push(way)
    }
  }
  return { states: seen.size, transitions, broken: null }
}

async function walk(policy: Policy, bug: ((store: Store) => Store) | undefined, path: readonly Step[]): Promise<World> {
  const world = new World(policy, bug)
  for (const step of path) await step.take(world)
  return world
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

async function firstBroken(view: View): Promise<string | undefined> {
  const broken = invariants.find((invariant) => !invariant.holds(view))
  if (broken !== undefined) return broken.name
  return (await everyOpenRecordComesDue.holds(view)) ? undefined : everyOpenRecordComesDue.name
}

/**
 * All that the future depends on, and nothing that only grows. What the store shows is taken from the store; what it
 * keeps to itself (lease, `notBefore`, looks owed) from the ledger. The workers are alike, so their order is none.
 */
function digest({ world, snapshot, reservation, nextDueInMs }: View): string {
  const { ledger, workers, now, policy } = world
  const ahead = (time: number) => Math.max(time - now, 0)
  const isOpen = snapshot !== null && snapshot.state !== 'done'
  return JSON.stringify([
    [world.submission, world.decided, nextDueInMs, reservation?.candidates.length],
    isOpen ? [snapshot.state, snapshot.starts, snapshot.sealed, ledger.owed, ledger.quick] : snapshot?.state,
    [ledger.claimed && ahead(ledger.leaseEnd), ahead(ledger.notBefore), ledger.confirmed],
    workers.map((worker) => digestWorker(world, worker)).sort(),
    policy.guarantee === 'at-most-once' && ledger.starts,
    [ledger.completions.size, ledger.unearnedCompletions, ledger.unconfirmedStarts],
    [ledger.strayWrites, ledger.earlyTakeovers],
  ])
}

function digestWorker({ ledger, policy }: World, worker: Worker): string {
  const { phase, token, joined, sealed, mustPark, confirmed, ran, resends } = worker
  if (token === '') return phase
  const trusts = policy.trustsCallbacks === true && worker.byCallback
  const stands = [token === ledger.token, ledger.completions.has(token), worker.life === ledger.life]
  return [phase, ...stands, trusts, joined, sealed, mustPark, confirmed, ran, resends].join()
}
