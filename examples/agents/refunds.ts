/*
 * What the agents of this folder share: what a refund is, how an approved one is paid, and what the model reads about it.
 */
import type { Decision, Run } from 'cheqpoint-callback'
import { z } from 'zod'

export const Refund = z.object({ orderId: z.string(), amount: z.number().positive() })
export type Refund = z.output<typeof Refund>

/** Pays what was approved, edits included, and puts the outcome into words for the model. Throws if the payment fails. */
export async function settle(decision: Decision<Refund, unknown>, run: Run): Promise<string> {
  const note = decision.note === null ? '' : ` The reviewer's note: ${decision.note}.`
  if (decision.status !== 'approved') return `Nothing was refunded: ${decision.status}. Do not try again.${note}`
  const { details, changedPaths } = decision
  const receipt = await pay(details, run)
  if (changedPaths.length === 0) return `Refunded as requested. Receipt ${receipt}.${note}`
  const edited = `The reviewer edited ${changedPaths.join(' and ')}`
  return `${edited}; refunded ${JSON.stringify(details)}, not what you requested. Receipt ${receipt}.${note}`
}

/** A payment service that never pays twice for one `Idempotency-Key`. */
async function pay(refund: Refund, { idempotencyKey, signal }: Run): Promise<string> {
  const response = await fetch(`${process.env['PAYMENTS_URL']}/refunds`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': idempotencyKey },
    body: JSON.stringify(refund),
    signal,
  })
  if (!response.ok) throw new Error(`the payment service responded ${response.status}`)
  return response.text()
}
