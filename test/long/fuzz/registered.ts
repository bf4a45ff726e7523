import { add, claim } from '../../../src/approvals/approval.js'
import {
  approvalKey,
  compact,
  type Next,
  reservationKey,
  type Step,
  type TrackedRequest,
} from '../../../src/approvals/entry.js'
import { complete, park, recordDecision } from '../../../src/approvals/holder.js'
import { reserve } from '../../../src/approvals/reservation.js'
import type { ConfirmedDecision, Store, Stored } from '../../../src/index.js'

/** The relevant parts of an approval. Details and context are JSON text. */
export interface Registered {
  readonly ref?: string | null
  readonly action?: string
  readonly details?: string
  readonly context?: string
  readonly expiresAt?: number | null
  readonly expiresAfterMs?: number | null
  /** How long ago it was registered, by the clock of the store. */
  readonly ageMs?: number
}

const token = 'registered'

/** Stores an approval as `track` does, at a lower cost. */
export async function register(store: Store, id: string, fields: Registered = {}): Promise<void> {
  const { ageMs = 0, ...rest } = fields
  await write(store, approvalKey(id), (stored) =>
    add(stored, {
      request: requestOf(rest),
      beginning: { dueInMs: 15_000, decision: null, parked: null },
      since: stored.now - ageMs,
    }),
  )
}

/** Stores a parked approval. */
export async function registerParked(store: Store, id: string): Promise<void> {
  await register(store, id)
  await write(store, approvalKey(id), (stored) => claim(stored, { token, leaseMs: 1_000 }))
  await write(store, approvalKey(id), (stored) => park(stored, { token, reason: 'adopted', note: '' }))
}

/** Stores a tombstone with this decision and result text. */
export async function registerCompleted(
  store: Store,
  id: string,
  decision: ConfirmedDecision,
  result: string,
): Promise<void> {
  const key = approvalKey(id)
  await register(store, id)
  await write(store, key, (stored) => claim(stored, { token, leaseMs: 1_000 }))
  const command = { token, leaseMs: 1_000, decision, countAttempt: true }
  await write(store, key, (stored) => recordDecision(stored, command))
  await write(store, key, (stored) => complete(stored, { token, result, keepMs: 86_400_000 }))
}

/** Reserves a reference for a submission that has no id yet. */
export async function registerReference(store: Store, ref: string, dueInMs: number): Promise<void> {
  const command = { owner: token, request: requestOf({ ref }), digest: null, dueInMs, inFlightMs: 15_000 }
  await write(store, reservationKey(ref), (stored) => reserve(stored, command))
}

function requestOf(fields: Omit<Registered, 'ageMs'>): TrackedRequest {
  return {
    ...{ ref: null, action: 'refund', assistant: null, expiresAt: null, expiresAfterMs: null },
    ...{ details: '{"orderId":"8842","amount":120}', context: 'null' },
    ...fields,
  }
}

let stamps = 0

async function write(store: Store, key: string, step: (stored: Stored) => Step<unknown>): Promise<void> {
  const stored = await store.read(key)
  const next: Next | undefined = step(stored).next
  if (next === undefined) throw new Error(`nothing to write under ${key}`)
  const { state, dueAt, parkedAt, keepMs } = next
  const entry = { stamp: `registered.${stamps++}`, dueAt, parkedAt, state: compact(state) }
  await store.write(key, stored.entry?.stamp ?? null, entry, { keepMs })
}
