import type { Reservation, Snapshot } from '../../../src/stores/store.js'
import { leaseMs, shortMs, type World } from './world.js'

/** A state as a bystander sees it. */
export interface View {
  readonly world: World
  readonly snapshot: Snapshot | null
  readonly reservation: Reservation | null
  readonly nextDueInMs: number | null
}

/** What must hold in every state that can be reached. */
export const invariants: readonly { readonly name: string; holds(view: View): boolean }[] = [
  {
    name: 'one completion an id',
    holds: ({ world: { ledger } }) => ledger.completions.size <= 1,
  },
  {
    name: 'done only after a finished run or a cancel',
    holds: ({ world: { ledger } }) => ledger.unearnedCompletions === 0,
  },
  {
    name: 'no run without confirmation',
    holds: ({ world: { ledger } }) => ledger.unconfirmedStarts === 0,
  },
  {
    name: 'no write by a worker that lost its claim',
    holds: ({ world: { ledger } }) => ledger.strayWrites === 0,
  },
  {
    name: 'a claim is taken over only after its lease ran out',
    holds: ({ world: { ledger } }) => ledger.earlyTakeovers === 0,
  },
  {
    name: 'at most one start where that is the guarantee',
    holds: ({ world: { ledger, policy } }) => policy.guarantee === 'at-least-once' || ledger.starts <= 1,
  },
  {
    name: 'a knock is never lost',
    // Due soon, and never in a back-off: whoever holds the record gives it back first.
    holds: ({ world: { ledger }, snapshot }) =>
      !ledger.quick || !isOpen(snapshot) || snapshot.dueInMs <= (snapshot.state === 'claimed' ? leaseMs : shortMs),
  },
]

export const dueInvariant = 'every open record is in the due index'

/** Looks whether a sweep finds what is open, in the end. Spoils the world. */
export async function comesDue({ world, snapshot, reservation }: View): Promise<boolean> {
  world.now += 1_000
  const keys = await world.store.takeDue(10, 1)
  const expected = isOpen(snapshot) ? 'approval' : 'reservation'
  return keys.some(({ kind }) => kind === expected) === (isOpen(snapshot) || reservation !== null)
}

export function firstBroken(view: View): string | undefined {
  return invariants.find((invariant) => !invariant.holds(view))?.name
}

export function isOpen(snapshot: Snapshot | null): snapshot is Extract<Snapshot, { state: 'pending' | 'claimed' }> {
  return snapshot?.state === 'pending' || snapshot?.state === 'claimed'
}
