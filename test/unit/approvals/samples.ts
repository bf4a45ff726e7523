import { compact, type Step, type TrackedRequest } from '../../../src/approvals/entry.js'
import type { ConfirmedDecision } from '../../../src/model/confirmed-decision.js'
import type { Entry, Stored } from '../../../src/stores/store.js'

export const start = 1_795_000_000_000

export const request: TrackedRequest = {
  ref: 'ref_1',
  action: 'refund',
  assistant: null,
  expiresAt: null,
  expiresAfterMs: null,
  details: '{"orderId":"8842"}',
  context: 'null',
}

export const beginning = { dueInMs: 15_000, decision: null, parked: null }

export const approved: ConfirmedDecision = {
  ...{ status: 'approved', modifiedDetails: null, note: null, decidedAt: null, via: 'callback' },
}

export const nothing: Stored = { now: start, entry: null }

/** An entry of a version of this library that is not written yet. */
export const newer: Stored = { now: start, entry: entryWith({ v: 2, kind: 'open', holder: 'me', sent: true }) }

/** What no store can read. */
export const damaged: Stored = { now: start, entry: null, unreadable: 'digest' }

function entryWith(state: Entry['state']): Entry {
  return { stamp: 's', dueAt: start, parkedAt: null, state }
}

/** What is stored after a step, so long later. The step must have written. */
export function after({ next }: Step<unknown>, { now }: Stored, laterMs = 0): Stored {
  if (next === undefined) throw new Error('the step wrote nothing')
  const { state, dueAt, parkedAt } = next
  return { now: now + laterMs, entry: { stamp: `s${now}`, dueAt, parkedAt, state: compact(state) } }
}

/** The same entry, so long later. */
export function later(stored: Stored, ms: number): Stored {
  return { ...stored, now: stored.now + ms }
}

/** What is stored after one step after the other, a millisecond apart. */
export function through(first: Stored, ...steps: readonly ((stored: Stored) => Step<unknown>)[]): Stored {
  return steps.reduce((stored, step) => after(step(stored), stored, 1), first)
}
