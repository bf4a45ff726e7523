import * as approval from '../../../src/approvals/approval.js'
import * as holder from '../../../src/approvals/holder.js'
import * as operator from '../../../src/approvals/operator.js'
import * as reservation from '../../../src/approvals/reservation.js'

/** The transitions of an approval by name; an exploration replaces some by broken ones. */
export type ApprovalTransitions = typeof approval & typeof holder & typeof operator
export const approvalTransitions: ApprovalTransitions = { ...approval, ...holder, ...operator }

/** The transitions of a reservation. */
export type ReservationTransitions = typeof reservation
export const reservationTransitions: ReservationTransitions = { ...reservation }
