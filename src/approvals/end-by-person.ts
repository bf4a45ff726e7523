import { approvalKey, type Known, reservationKey, type Step } from './entry.js'
import { cancel, forget } from './operator.js'
import type { Records } from './records.js'
import type { Discarded } from './reservation.js'

/** Ends an approval without a run, or removes what is damaged of it. See `Receiver.cancel`. */
export function cancelApproval(
  records: Records,
  approvalId: string,
  keepMs: number,
): Promise<ReturnType<typeof cancel>['result']> {
  const command = { by: records.newToken(), keepMs }
  return end(records, approvalKey(approvalId), 'cancelled', (stored) => cancel(stored, command))
}

/** Forgets a submission, or removes what is damaged of it. See `Receiver.discard`. */
export function discardSubmission(records: Records, ref: string): Promise<Discarded> {
  const command = { by: records.newToken() }
  return end(records, reservationKey(ref), 'discarded', (stored) => forget(stored, command))
}

/** Takes the step, or removes an entry that the store itself cannot read. */
async function end<Result>(
  records: Records,
  key: string,
  removed: Result,
  step: (stored: Known) => Step<Result | 'unknown'>,
): Promise<Result | 'unknown'> {
  const { unreadable } = await records.read(key)
  if (unreadable !== undefined) return (await records.remove(key, unreadable)) ? removed : 'unknown'
  return records.change(key, step)
}
