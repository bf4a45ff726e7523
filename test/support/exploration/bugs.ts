import type { Entry, Stored } from '../../../src/stores/store.js'
import type { Bounds as ApprovalBounds, Policy } from './approval-world.js'
import { openOf } from './approval-world.js'
import type { Bounds as BindingBounds, Transitions as BindingTransitions } from './binding-world.js'
import { type ApprovalTransitions, approvalTransitions as real, reservationTransitions } from './transitions.js'

/** A bug in a transition or in the behaviour of workers, and the invariant that it breaks first. */
interface Bug {
  readonly bug: string
  readonly breaks: string
}

export interface ApprovalBug extends Bug {
  readonly policy: Policy
  readonly bounds: ApprovalBounds
  readonly replaced: Partial<ApprovalTransitions>
}

export interface BindingBug extends Bug {
  readonly kind: 'keyed' | 'random'
  readonly bounds: BindingBounds
  readonly replaced: Partial<BindingTransitions>
}

const atLeastOnce: Policy = { guarantee: 'at-least-once' }
const atMostOnce: Policy = { guarantee: 'at-most-once' }
const calm: ApprovalBounds = { faults: 0, flips: 0, steps: 0, lives: 1, persons: 0 }
const still: BindingBounds = { faults: 0, submits: 1, discards: 0, strangers: 0 }
const lost = 'no write by a worker that lost its claim'
const indexed = 'every open entry is in one of the indexes'
const completedOnce = 'one completion an id'

/** Treats any caller as the holder. */
function holderOf({ entry }: Stored, token: string): string {
  return openOf(entry)?.holder ?? token
}

/** The stored state at the end of its lease. */
function afterLease(stored: Stored): Stored {
  return { ...stored, now: Math.max(stored.now, openOf(stored.entry)?.leaseEnd ?? 0) }
}

/** Rebuilds an open entry from its tombstone. */
function revived(entry: Entry | null): Entry | null {
  if (entry?.state['kind'] !== 'completed') return entry
  const open = { ...entry.state, kind: 'open', details: '{}', context: 'null' }
  return { ...entry, state: open }
}

export const approvalBugs: readonly ApprovalBug[] = [
  {
    ...bug('complete takes any token', lost),
    replaced: {
      complete: (stored, command) => real.complete(stored, { ...command, token: holderOf(stored, command.token) }),
    },
  },
  {
    ...bug('claim ignores a live lease', 'a lease is taken over only after it ran out'),
    replaced: { claim: (stored, command) => real.claim(afterLease(stored), command) },
  },
  {
    ...bug('claim ignores that an approval is completed', completedOnce),
    replaced: { claim: (stored, command) => real.claim({ ...stored, entry: revived(stored.entry) }, command) },
  },
  {
    ...bug('a claimed approval is not in the due index', indexed),
    replaced: {
      claim(stored, command) {
        const step = real.claim(stored, command)
        return step.next === undefined || step.result.kind !== 'claimed'
          ? step
          : { ...step, next: { ...step.next, dueAt: null } }
      },
    },
  },
  {
    ...bug('recordDecision takes any token', lost),
    replaced: {
      recordDecision: (stored, command) =>
        real.recordDecision(stored, { ...command, token: holderOf(stored, command.token) }),
    },
  },
  {
    ...bug('release takes any token', lost),
    replaced: {
      release: (stored, command) => real.release(stored, { ...command, token: holderOf(stored, command.token) }),
    },
  },
  {
    ...bug('an attempt is not counted', 'at most one start where that is the guarantee'),
    policy: atMostOnce,
    replaced: {
      recordDecision: (stored, command) => {
        const { result, next } = real.recordDecision(stored, command)
        return next?.state.kind === 'open'
          ? { result, next: { ...next, state: { ...next.state, attempts: 0 } } }
          : { result, next }
      },
    },
  },
  {
    ...bug('an attempt is counted again when its write is repeated', 'an attempt is counted once'),
    bounds: { ...calm, faults: 1 },
    replaced: {
      recordDecision: (stored, command) => {
        const open = openOf(stored.entry)
        const forgetful = open === null ? stored : withState(stored, { counted: false })
        return real.recordDecision(forgetful, command)
      },
    },
  },
  {
    ...bug('recordDecision answers without a write', 'no handler starts without a recorded decision'),
    replaced: { recordDecision: (...args) => ({ result: real.recordDecision(...args).result }) },
  },
  {
    ...bug('a takeover forgets the recorded decision', 'the first recorded decision stays'),
    bounds: { ...calm, flips: 1 },
    replaced: { claim: (stored, command) => real.claim(withState(stored, { decision: null }), command) },
  },
  {
    ...bug('a callback that meets a live lease is forgotten', 'a nudge is never lost'),
    replaced: {
      claim(stored, command) {
        const step = real.claim(stored, command)
        return step.result.kind === 'in-progress' ? { result: step.result } : step
      },
    },
  },
  {
    ...bug('a release forgets the nudge', 'a nudge is never lost'),
    replaced: { release: (stored, command) => real.release(withState(stored, { nudged: false }), command) },
  },
  {
    ...bug('extend ends the lease early', 'at most one live holder'),
    replaced: { extend: (stored, command) => real.extend(stored, { ...command, leaseMs: 1 }) },
  },
  {
    ...bug('a parked approval is in no index', indexed),
    policy: atMostOnce,
    replaced: {
      park(stored, command) {
        const { result, next } = real.park(stored, command)
        return { result, next: next && { ...next, parkedAt: null } }
      },
    },
  },
  {
    ...bug('extend takes any token', lost),
    replaced: {
      extend: (stored, command) => real.extend(stored, { ...command, token: holderOf(stored, command.token) }),
    },
  },
]

export const bindingBugs: readonly BindingBug[] = [
  {
    ...binding('the second id replaces the first', 'a reference is bound to one id'),
    bounds: { ...still, submits: 1, strangers: 1 },
    replaced: {
      beginBind(stored, command) {
        const step = reservationTransitions.beginBind(stored, command)
        if (step.result.kind !== 'binding' || step.next !== undefined) return step
        const reservation = { ...step.result.reservation, id: command.id }
        return {
          result: { kind: 'binding', reservation },
          next: { state: reservation, dueAt: stored.now + 1, parkedAt: null },
        }
      },
    },
  },
  {
    ...binding('a binding ends before its approval is there', 'a submission that was sent is followed or listed'),
    replaced: {
      beginBind(stored, command) {
        const step = reservationTransitions.beginBind(stored, command)
        if (step.next === undefined) return step
        return { ...step, next: { ...step.next, state: { kind: 'bound', id: command.id, digest: 'digest' } } }
      },
    },
  },
  {
    ...binding('the approval replaces what is there', 'an approval is added once'),
    replaced: {
      addBound: (stored, command) => {
        const { now } = stored
        const { request, beginning } = command.reservation
        return real.add({ now, entry: null }, { request, beginning })
      },
    },
  },
  {
    ...binding('a conflict forgets the reservation', 'a submission that was sent is followed or listed'),
    bounds: { ...still, strangers: 1 },
    replaced: {
      endBind: (stored, command) =>
        command.bound
          ? reservationTransitions.endBind(stored, command)
          : {
              result: { kind: 'unknown' },
              next: { state: { kind: 'discarded', by: 'x' }, dueAt: null, parkedAt: null, keepMs: 1 },
            },
    },
  },
  {
    ...binding('a reference ends while its approval is open', 'a keyed reference is kept while its approval is open'),
    replaced: { keepBound: (stored) => reservationTransitions.keepBound(stored, { dueInMs: 1, keepMs: 1 }) },
  },
  {
    ...binding('what may have been sent is reserved again', 'a submission that was sent is followed or listed'),
    bounds: { ...still, submits: 2 },
    replaced: {
      reserve(stored, command) {
        const step = reservationTransitions.reserve(stored, command)
        if (step.result.kind !== 'sent') return step
        return reservationTransitions.reserve({ ...stored, entry: null }, command)
      },
    },
  },
  {
    ...binding('markSent takes any owner', 'a submission is sent once'),
    bounds: { ...still, submits: 2 },
    replaced: {
      markSent(stored, command) {
        const owner = stored.entry?.state['owner']
        return reservationTransitions.markSent(stored, typeof owner === 'string' ? { ...command, owner } : command)
      },
    },
  },
  {
    ...binding('a sweep forgets what was sent meanwhile', 'a submission that was sent is followed or listed'),
    replaced: { discardUnsent: reservationTransitions.discard },
  },
  {
    ...binding('a resumed binding adds what ran long ago', 'an approval is added once'),
    replaced: {
      addBound: (stored, command) => {
        const { request, beginning, since } = command.reservation
        return real.add(stored, { request, beginning, since })
      },
    },
  },
]

function bug(name: string, breaks: string): Omit<ApprovalBug, 'replaced'> {
  return { bug: name, breaks, policy: atLeastOnce, bounds: calm }
}

function binding(name: string, breaks: string): Omit<BindingBug, 'replaced'> {
  return { bug: name, breaks, kind: 'keyed', bounds: still }
}

function withState(stored: Stored, changed: Readonly<Record<string, string | boolean | null>>): Stored {
  const { entry } = stored
  if (entry === null || openOf(entry) === null) return stored
  return { ...stored, entry: { ...entry, state: { ...entry.state, ...changed } } }
}
