import type { Entry } from '../../src/stores/store.js'

/** The kind of a write, derived from the entry before it. */
export type StoreStep =
  | ('add' | 'claim' | 'record' | 'extend' | 'nudge' | 'defer' | 'release' | 'complete' | 'park' | 'retry' | 'cancel')
  | ('reserve' | 'markSent' | 'addCandidate' | 'beginBind' | 'endBind' | 'keepBound' | 'postpone' | 'discard')

/** Returns the step of the state machine that a write makes. */
export function stepOf(key: string, before: Entry | null, { state: next }: Entry): StoreStep {
  const last = before?.state ?? {}
  return key.startsWith('r:') ? stepOfReservation(last, next) : stepOfApproval(before === null, last, next)
}

type State = Entry['state']

function stepOfApproval(isNew: boolean, last: State, next: State): StoreStep {
  const changed = (name: string): boolean => JSON.stringify(last[name]) !== JSON.stringify(next[name])
  if (next['kind'] === 'completed') return next['outcome'] === 'cancelled' ? 'cancel' : 'complete'
  if (isNew || last['kind'] === 'completed') return 'add'
  if (changed('parked')) return next['parked'] === undefined ? 'retry' : 'park'
  if (changed('fence')) return 'claim'
  if (changed('decision')) return 'record'
  if (changed('leaseEnd')) return next['leaseEnd'] === undefined ? 'release' : 'extend'
  return changed('nudged') ? 'nudge' : 'defer'
}

function stepOfReservation(last: State, next: State): StoreStep {
  switch (next['kind']) {
    case 'discarded':
      return 'discard'
    case 'binding':
      return 'beginBind'
    case 'bound':
      return last['kind'] === 'binding' ? 'endBind' : 'keepBound'
    default:
      if (last['kind'] === 'binding') return 'endBind'
      if (last['owner'] !== next['owner']) return 'reserve'
      if (last['sent'] !== next['sent']) return 'markSent'
      return JSON.stringify(last['candidates']) === JSON.stringify(next['candidates']) ? 'postpone' : 'addCandidate'
  }
}
