import type { Stored } from '../stores/store.js'
import {
  type Beginning,
  type BindingReservation,
  type EndedReservation,
  type Next,
  type OpenReservation,
  open,
  type ReservationState,
  readReservation,
  type Step,
} from './entry.js'

/*
 * The state machine of a submission that has no approval id yet, as pure functions.
 *
 *   reserve ─► RESERVED ─markSent─► RESERVED, sent ─beginBind─► BINDING ─endBind─► BOUND
 *                 └─────────────discard────────────► DISCARDED (for 15 minutes)
 *
 * The approval, which has a key of its own, is written between `beginBind` and `endBind`. A process that finds a
 * BINDING reservation repeats that write and ends it.
 */

/** How many candidate ids a reservation remembers. */
export const maxCandidates = 4

/** How long a discarded reservation, and the reference of a bound one, is remembered at least. */
export const keepEndedMs = 900_000

/** How long the submission that reserved may take until it marks the request as sent. */
export const ownedMs = 5_000

export type Reserved = Readonly<
  | { kind: 'reserved' | 'unreadable' }
  /** The key was used for something else. */
  | { kind: 'key-reused' }
  /** Another submission under this key is under way. */
  | { kind: 'in-progress' }
  /** The request may have been sent, and no id is known. */
  | { kind: 'sent' }
  | { kind: 'binding'; reservation: BindingReservation }
  | { kind: 'bound'; id: string }
>

export interface ReserveCommand extends Pick<OpenReservation, 'owner' | 'request' | 'digest'> {
  readonly dueInMs: number
  /** How long a submission that was sent counts as under way. */
  readonly inFlightMs: number
  /** An approval that is not remembered any more: a key that is bound to it is free again. */
  readonly forgotten?: string | undefined
}

/**
 * Keeps a request under our own reference before it is sent. What was never sent may be taken over once its owner had
 * time to send it; what may have been sent never is.
 */
export function reserve(stored: Stored, command: ReserveCommand): Step<Reserved> {
  const { now } = stored
  const { owner, digest, forgotten } = command
  const known = find(stored)
  if (known.kind === 'unreadable') return { result: { kind: 'unreadable' } }
  const isForgotten = known.kind === 'bound' && known.id === forgotten
  if (known.kind !== 'unknown' && known.kind !== 'discarded' && !isForgotten) {
    if (known.digest !== digest) return { result: { kind: 'key-reused' } }
    if (known.kind === 'bound') return { result: { kind: 'bound', id: known.id } }
    if (known.kind === 'binding') return { result: { kind: 'binding', reservation: known } }
    if (known.sent) return { result: { kind: now < known.since + command.inFlightMs ? 'in-progress' : 'sent' } }
    if (known.owner === owner) return { result: { kind: 'reserved' } }
    if (now < known.ownedUntil) return { result: { kind: 'in-progress' } }
  }
  const state: OpenReservation = {
    ...{ kind: 'reserved', owner, ownedUntil: now + ownedMs, sent: false, since: now, digest },
    ...{ request: command.request, candidates: [] },
  }
  return { result: { kind: 'reserved' }, next: { ...open(state, now + command.dueInMs), intake: true } }
}

/** Says that the request is about to be sent. `lost`: another submission owns the reservation; nothing may be sent. */
export function markSent(
  stored: Stored,
  { owner, dueInMs }: Readonly<{ owner: string; dueInMs: number }>,
): Step<'sent' | 'lost'> {
  const known = find(stored)
  if (known.kind !== 'reserved' || known.owner !== owner) return { result: 'lost' }
  if (known.sent) return { result: 'sent' }
  const { now } = stored
  return { result: 'sent', next: open({ ...known, sent: true, since: now }, now + dueInMs) }
}

/** Remembers an id that a callback with this reference's token named, while the reference has none. */
export function addCandidate(
  stored: Stored,
  { id }: Readonly<{ id: string }>,
): Step<{ readonly kind: 'kept' | 'full' | 'unreadable' } | Bind> {
  const known = find(stored)
  if (known.kind === 'unreadable') return { result: { kind: 'unreadable' } }
  if (known.kind !== 'reserved') return { result: bindingOf(known) }
  if (known.candidates.includes(id)) return { result: { kind: 'kept' } }
  if (known.candidates.length >= maxCandidates) return { result: { kind: 'full' } }
  const state = { ...known, candidates: [...known.candidates, id] }
  return { result: { kind: 'kept' }, next: open(state, stored.entry?.dueAt ?? stored.now) }
}

export type Bind = Readonly<
  { kind: 'binding'; reservation: BindingReservation } | { kind: 'bound'; id: string } | { kind: 'unknown' }
>

/**
 * Gives the reservation its id; the first one stands. Where a callback named this very id, the approval is due at once.
 * The reservation stays due, so that a binding that stops half-way is resumed.
 */
export function beginBind(
  stored: Stored,
  { id, beginning, dueInMs }: Readonly<{ id: string; beginning: Beginning; dueInMs: number }>,
): Step<Bind> {
  const known = find(stored)
  if (known.kind !== 'reserved') return { result: bindingOf(known) }
  const soon = known.candidates.includes(id) ? { ...beginning, dueInMs: 0 } : beginning
  const reservation: BindingReservation = { ...known, kind: 'binding', id, beginning: soon }
  return { result: { kind: 'binding', reservation }, next: open(reservation, stored.now + dueInMs) }
}

/**
 * Ends a binding after its approval was written, or found to belong to another reference: then the reservation is open
 * again. A keyed reference is kept for as long as its approval; a random one is not needed any more.
 */
export function endBind(
  stored: Stored,
  { id, bound, dueInMs }: Readonly<{ id: string; bound: boolean; dueInMs: number }>,
): Step<Bind> {
  const known = find(stored)
  // It was ended before, by another, or is another's.
  if (known.kind !== 'binding' || known.id !== id) return { result: bindingOf(known) }
  const { now } = stored
  if (!bound) {
    const { id: _, beginning: __, ...reservation } = known
    return { result: { kind: 'unknown' }, next: open({ ...reservation, kind: 'reserved' }, now + dueInMs) }
  }
  const state: EndedReservation = { kind: 'bound', id, digest: known.digest }
  return { result: { kind: 'bound', id }, next: known.digest === null ? ended(state) : open(state, now + dueInMs) }
}

/**
 * Keeps a keyed reference for as long as its approval is remembered: due again after `dueInMs` while that is open
 * (`keepMs: null`), and for `keepMs` more after that.
 */
export function keepBound(
  stored: Stored,
  { dueInMs, keepMs }: Readonly<{ dueInMs: number; keepMs: number | null }>,
): Step<'kept' | 'unknown'> {
  const known = find(stored)
  if (known.kind !== 'bound') return { result: 'unknown' }
  const next = keepMs === null ? open(known, stored.now + dueInMs) : { ...ended(known), keepMs: Math.max(keepMs, 1) }
  return { result: 'kept', next }
}

export type Discarded = 'discarded' | 'bound' | 'unknown'

/** Forgets a reservation whose request was refused, or that Cheqpoint does not have. */
export function discard(stored: Stored, { by }: Readonly<{ by: string }>): Step<Discarded> {
  const known = find(stored)
  if (known.kind === 'discarded') return { result: known.by === by ? 'discarded' : 'unknown' }
  if (known.kind === 'binding' || known.kind === 'bound') return { result: 'bound' }
  if (known.kind !== 'reserved') return { result: 'unknown' }
  return { result: 'discarded', next: ended({ kind: 'discarded', by }) }
}

/** Discards a reservation only if its request is not marked as sent. Its owner may mark it at any moment. */
export function discardUnsent(stored: Stored, command: Readonly<{ by: string }>): Step<Discarded | 'sent'> {
  const known = find(stored)
  return known.kind === 'reserved' && known.sent ? { result: 'sent' } : discard(stored, command)
}

/** Makes an open reservation due in `dueInMs`. */
export function postpone(stored: Stored, { dueInMs }: Readonly<{ dueInMs: number }>): Step<'postponed' | 'unknown'> {
  const known = find(stored)
  if (known.kind !== 'reserved') return { result: 'unknown' }
  return { result: 'postponed', next: open(known, stored.now + dueInMs) }
}

type Found = ReservationState | { readonly kind: 'unknown' } | { readonly kind: 'unreadable' }

function find(stored: Stored): Found {
  const known = readReservation(stored)
  if (known === null) return { kind: 'unknown' }
  return known === 'unreadable' ? { kind: 'unreadable' } : known
}

/** What a binding finds where it has nothing to write. */
function bindingOf(known: Found): Bind {
  if (known.kind === 'bound') return { kind: 'bound', id: known.id }
  return known.kind === 'binding' ? { kind: 'binding', reservation: known } : { kind: 'unknown' }
}

export function ended(state: EndedReservation): Next {
  return { state, dueAt: null, parkedAt: null, keepMs: keepEndedMs }
}
