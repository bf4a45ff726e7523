import type { Client, Confirmed } from './client.js'
import { judge } from './confirm.js'
import type { Core } from './core.js'
import { isCheqpointError } from './errors.js'
import { writeSealed } from './record.js'
import { nextLookMs } from './retry.js'
import type { Reservation } from './store.js'
import { readDate } from './wire.js'

export interface AdoptTerms {
  readonly core: Core
  readonly client: Pick<Client, 'get'>
  readonly adopt: 'park' | 'run'
  readonly submitTimeoutMs: number
}

/** How far the clocks of Cheqpoint and of the store may differ. */
const clockSkewMs = 5_000

/**
 * Looks after a reservation that got no id within the submit time-out. If exactly one of the ids that callbacks with
 * its token named confirms, decided after the reservation was made and bound to nothing else, the reservation adopts
 * it: parked for a person, or run. Otherwise it is reported and looked at again later. Rejects where the store fails.
 */
export async function settleReservation(ref: string, terms: AdoptTerms): Promise<void> {
  const { core, submitTimeoutMs } = terms
  const reservation = await core.store.reservation(ref)
  if (reservation === null) return
  const { ageMs, candidates } = reservation
  if (ageMs < submitTimeoutMs) {
    await core.store.postpone(ref, submitTimeoutMs - ageMs)
    return
  }
  const found = await Promise.all(candidates.map((id) => askAbout(id, reservation, terms)))
  const confirmed = found.filter((answer) => typeof answer !== 'string')
  const [only] = confirmed
  // A candidate that cannot be judged yet may turn out to be the one.
  if (only !== undefined && confirmed.length === 1 && !found.includes('later'))
    return adoptOne(reservation, only, terms)
  core.emit({ type: 'submission-unknown', ref })
  await core.store.postpone(ref, nextLookMs(ageMs, core.polling, core.random))
}

/** The confirmed decision on a candidate that may be this reservation's, or that it is not, or not known yet. */
async function askAbout(
  id: string,
  { draft, ageMs }: Reservation,
  { core, client }: AdoptTerms,
): Promise<Confirmed | 'no' | 'later'> {
  if ((await core.store.get(id)) !== null) return 'no'
  if (core.pauses.leftMs(draft.assistant) > 0) return 'later'
  const waitMs = core.sweepBudget.reserve(draft.assistant)
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  try {
    const answer = await client.get(id, { assistant: draft.assistant })
    if (answer.status === 'pending' || answer.status === 'unknown') return 'later'
    const decidedAt = readDate(answer.decidedAt)?.getTime()
    const madeAt = core.clock.now() - ageMs
    return decidedAt !== undefined && decidedAt >= madeAt - clockSkewMs ? answer : 'no'
  } catch (error) {
    return isCheqpointError(error, 'api-not-found') ? 'no' : 'later'
  }
}

async function adoptOne({ ref, draft }: Reservation, answer: Confirmed, { core, adopt }: AdoptTerms): Promise<void> {
  const found = judge(answer, draft.expiresAt, 'poll', core.clock.now())
  if (found.kind !== 'decided') return
  const { id: approvalId } = answer
  const parked = adopt === 'park' ? 'adopted' : undefined
  const bound = await core.store.bind(ref, approvalId, { dueInMs: 0, sealed: writeSealed(found.sealed), parked })
  if (bound !== 'bound') return
  core.emit({ type: 'adopted', approvalId, ref })
  if (parked !== undefined) core.emit({ type: 'parked', approvalId, action: draft.action, reason: parked, paths: [] })
}
