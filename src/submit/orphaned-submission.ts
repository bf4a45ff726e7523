import type { Client } from '../cheqpoint/client.js'
import { writeConfirmed } from '../model/confirmed-decision.js'
import { type Confirmation, confirm } from '../pipeline/confirm.js'
import { heedFailure, type PipelineContext } from '../pipeline/context.js'
import { recordVersion } from '../stores/record.js'
import type { Reservation } from '../stores/store.js'
import { nextPollMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'

export interface OrphanDeps {
  readonly core: PipelineContext
  readonly client: Pick<Client, 'get'>
  readonly adopt: 'park' | 'run'
  readonly submitTimeoutMs: number
}

/** What the API said of a candidate that may be the reservation's. */
type Adoptable = Extract<Confirmation, { kind: 'decided' }> & { readonly id: string }

/** How far the clocks of Cheqpoint and of the store may differ. */
const clockSkewMs = 5_000

/**
 * Looks after a reservation that got no id within the submit time-out. If exactly one of the ids that callbacks with
 * its token named confirms, decided after the reservation was made and bound to nothing else, and none of the others
 * is undecided, the reservation adopts it: parked for a person, or run. Otherwise it is reported and looked at again
 * later. Rejects where the store fails.
 */
export async function settleReservation(ref: string, deps: OrphanDeps): Promise<void> {
  const { core, submitTimeoutMs } = deps
  const reservation = await core.store.reservation(ref)
  if (reservation === null) return
  const { ageMs, candidates } = reservation
  if (ageMs < submitTimeoutMs) {
    await core.store.postpone(ref, submitTimeoutMs - ageMs)
    return
  }
  const found = await Promise.all(candidates.map((id) => askAbout(id, reservation, deps)))
  const [only, another] = found.filter((each) => typeof each !== 'string')
  // A candidate that cannot be judged yet may turn out to be the one.
  if (only !== undefined && another === undefined && !found.includes('later')) return adoptOne(reservation, only, deps)
  core.emit({ type: 'submission-unknown', ref })
  await core.store.postpone(ref, nextPollMs(ageMs, core.polling, core.random))
}

/** The decision on a candidate that may be this reservation's, or that it is not, or not known yet. */
async function askAbout(
  id: string,
  { draft, ageMs }: Reservation,
  { core, client }: OrphanDeps,
): Promise<Adoptable | 'no' | 'later'> {
  const { store, pauses, sweepBudget, clock } = core
  const { assistant } = draft
  if ((await store.get(id)) !== null) return 'no'
  if (pauses.leftMs(assistant) > 0) return 'later'
  const waitMs = sweepBudget.reserve(assistant)
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  const madeAt = clock.now() - ageMs
  // Judged as of then: a candidate that is still undecided has not expired, it may be somebody else's.
  const found = await confirm({ ...draft, id, version: recordVersion }, 'poll', client, () => madeAt)
  if (found.kind === 'decided') {
    const decidedAt = readDate(found.sealed.decidedAt)?.getTime()
    return decidedAt !== undefined && decidedAt >= madeAt - clockSkewMs ? { ...found, id } : 'no'
  }
  if (found.kind === 'undecided') return 'later'
  heedFailure(core, assistant, found)
  return found.code === 'api-not-found' ? 'no' : 'later'
}

async function adoptOne({ ref, draft }: Reservation, found: Adoptable, { core, adopt }: OrphanDeps): Promise<void> {
  const { store, emit } = core
  const { id: approvalId, sealed, late } = found
  const { action } = draft
  const parked = adopt === 'park' ? 'adopted' : undefined
  const bound = await store.bind(ref, approvalId, { dueInMs: 0, sealed: writeConfirmed(sealed), parked })
  if (bound !== 'bound') return
  if (late) emit({ type: 'late', approvalId, action })
  emit({ type: 'confirmed', approvalId, action, status: sealed.status, via: 'poll' })
  emit({ type: 'adopted', approvalId, ref })
  if (parked !== undefined) emit({ type: 'parked', approvalId, action, reason: parked, paths: [] })
}
