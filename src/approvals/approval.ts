import type { ParkReason } from '../model/park-reason.js'
import type { Stored } from '../stores/store.js'
import {
  type ApprovalState,
  type Beginning,
  type Next,
  type OpenApproval,
  open,
  readApproval,
  type Step,
  type Tombstone,
  type TrackedRequest,
} from './entry.js'

/*
 * The state machine of an approval, as pure functions from what a store holds, and its time, to an answer and what is
 * written. No clock, no random, no I/O.
 *
 *   add ─► PENDING ─claim─► CLAIMED ─complete─► COMPLETED (tombstone)
 *           ▲   ▲             │ │
 *           │   └──release────┘ └─park─► PARKED ─retry─► PENDING, or cancel ─► COMPLETED
 *           └─ a CLAIMED approval whose lease ran out is simply due again
 *
 * Each command carries the token of its holder or operation. A step that this token has taken already answers what it
 * answered then, so every command may be sent again.
 */

/** How many polls a callback is owed: each comes at the minimum interval. */
export const quickPolls = 3

/** The answers of {@link claim} that give no lease. */
export type Unclaimed =
  | { readonly kind: 'unknown' | 'token-mismatch' | 'unreadable' }
  | { readonly kind: 'completed'; readonly tombstone: Tombstone }
  | { readonly kind: 'parked'; readonly reason: ParkReason }
  /** Another holder's lease has so long to go. */
  | { readonly kind: 'in-progress'; readonly forMs: number; readonly recorded: boolean }
  | { readonly kind: 'too-soon'; readonly inMs: number }

export interface ClaimCommand {
  readonly token: string
  readonly leaseMs: number
  /** The reference that the callback's token proved. Where it is given it must be the approval's. */
  readonly ref?: string | undefined
  /** For a person: ignores `notBefore`, never a live lease. */
  readonly force?: boolean | undefined
  /** For a callback: the approval gets quick polls. */
  readonly nudge?: boolean | undefined
}

/** What a step finds where it needs an open approval. */
export type Found = OpenApproval | Exclude<Unclaimed, { kind: 'in-progress' | 'too-soon' }>

/**
 * Registers a request whose id is known; its age counts from `since`, in store time. `exists`: the id is registered, or
 * its tombstone is still there.
 */
export function add(
  stored: Stored,
  command: {
    readonly request: TrackedRequest
    readonly beginning: Beginning
    readonly since?: number | undefined
    /** Whether this is new work, which a full store refuses. Default: false, for what is accepted already. */
    readonly intake?: boolean | undefined
  },
): Step<{ readonly kind: 'added' } | { readonly kind: 'exists'; readonly known: ApprovalState | 'unreadable' }> {
  const { request, beginning, since = stored.now, intake = false } = command
  const known = readApproval(stored)
  if (known !== null) return { result: { kind: 'exists', known } }
  const { now } = stored
  const parked = beginning.parked === null ? null : { reason: beginning.parked, note: '' }
  const { ref, action, assistant, expiresAt, expiresAfterMs, details, context, trace = null } = request
  // Without a spread: the engine copies the objects that come of one 20 times as slowly, in every later step.
  const state: OpenApproval = {
    kind: 'open',
    ref,
    action,
    assistant,
    expiresAt,
    expiresAfterMs,
    details,
    context,
    since,
    fence: 0,
    attempts: 0,
    holder: null,
    leaseEnd: null,
    counted: false,
    notBefore: 0,
    nudged: false,
    quickPolls: 0,
    decision: beginning.decision,
    parked,
    trace,
  }
  const dueAt = parked === null ? now + beginning.dueInMs : null
  return { result: { kind: 'added' }, next: { state, dueAt, parkedAt: parked === null ? null : now, intake } }
}

/**
 * Takes the lease. At most one token holds an approval at a time; a lease that ran out is taken over, never earlier. A
 * claim of a recorded decision counts an attempt, since its handler starts next. A refusal never makes the approval due
 * later.
 */
export function claim(
  stored: Stored,
  command: ClaimCommand,
): Step<Unclaimed | { readonly kind: 'claimed'; readonly approval: OpenApproval }> {
  const { now } = stored
  const found = find(stored, command.ref)
  if (found.kind !== 'open') return { result: found }
  if (isLeased(found, now)) {
    if (found.holder === command.token) return { result: { kind: 'claimed', approval: found } }
    const recorded = found.decision !== null
    const result = { kind: 'in-progress', forMs: (found.leaseEnd ?? now) - now, recorded } as const
    return command.nudge === true ? { result, ...nudged(found, stored, 0) } : { result }
  }
  if (found.notBefore > now && command.force !== true) {
    const result = { kind: 'too-soon', inMs: found.notBefore - now } as const
    return command.nudge === true ? { result, ...nudged(found, stored, 0) } : { result }
  }
  const claimed = {
    ...found,
    holder: command.token,
    fence: found.fence + 1,
    leaseEnd: now + command.leaseMs,
    counted: found.counted && found.holder === command.token,
    nudged: found.nudged || command.nudge === true,
  }
  const approval = found.decision === null ? claimed : countAttempt(claimed)
  return { result: { kind: 'claimed', approval }, next: open(approval, approval.leaseEnd) }
}

/**
 * Says that a callback came that was not answered by a poll: the approval is due within `withinMs`, and never later
 * than it was. Changes nothing where that is known, or the decision recorded, so a flood of them costs reads alone.
 */
export function nudge(
  stored: Stored,
  { ref, withinMs }: { readonly ref?: string | undefined; readonly withinMs: number },
): Step<{ readonly kind: 'nudged' } | Exclude<Unclaimed, { kind: 'in-progress' | 'too-soon' }>> {
  const found = find(stored, ref)
  if (found.kind !== 'open') return { result: found }
  return { result: { kind: 'nudged' }, ...nudged(found, stored, withinMs) }
}

/** Makes an approval without a live lease due in `dueInMs`: this process cannot serve it before. */
export function defer(stored: Stored, { dueInMs }: { readonly dueInMs: number }): Step<'deferred' | 'unchanged'> {
  const found = find(stored)
  if (found.kind !== 'open' || isLeased(found, stored.now)) return { result: 'unchanged' }
  return { result: 'deferred', next: open(found, stored.now + dueInMs) }
}

/** Whether an approval has a live lease at this moment of store time. */
export function isLeased({ leaseEnd }: OpenApproval, now: number): boolean {
  return leaseEnd !== null && leaseEnd > now
}

/** The open approval, or why there is none to work on. */
export function find(stored: Stored, ref?: string | undefined): Found {
  const known = readApproval(stored)
  if (known === null) return { kind: 'unknown' }
  if (known === 'unreadable') return { kind: 'unreadable' }
  if (ref !== undefined && ref !== known.ref) return { kind: 'token-mismatch' }
  if (known.kind === 'completed') return { kind: 'completed', tombstone: known }
  return known.parked === null ? known : { kind: 'parked', reason: known.parked.reason }
}

function nudged(found: OpenApproval, { now, entry }: Stored, withinMs: number): Pick<Step<never>, 'next'> {
  if (found.nudged || found.decision !== null) return {}
  const dueAt = entry?.dueAt ?? now
  // A leased approval stays due at the end of its lease: the release heeds the flag.
  const soon = found.leaseEnd === null ? Math.min(dueAt, Math.max(now + withinMs, found.notBefore)) : dueAt
  return { next: open({ ...found, nudged: true }, soon) }
}

/** Counts the holder's attempt, once. */
function countAttempt(approval: OpenApproval): OpenApproval {
  return approval.counted ? approval : { ...approval, attempts: approval.attempts + 1, counted: true }
}

export function parkedNow(state: OpenApproval, now: number): Next {
  return { state: { ...state, leaseEnd: null }, dueAt: null, parkedAt: now }
}

export function tombstone(
  { ref, action, assistant }: Pick<OpenApproval, 'ref' | 'action' | 'assistant'>,
  end: Pick<Tombstone, 'holder' | 'outcome' | 'decision' | 'result'>,
  { now }: Stored,
  keepMs: number,
): Next {
  const { holder, outcome, decision, result } = end
  const until = now + keepMs
  const state: Tombstone = { kind: 'completed', holder, ref, action, assistant, outcome, decision, result, until }
  return { state, dueAt: null, parkedAt: null, keepMs }
}
