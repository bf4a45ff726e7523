import { type CallbackPayload, contradictions } from '../cheqpoint/wire.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import { type EventListener, type RefusalReason, refusalReasons } from '../model/events.js'

const refusals: ReadonlySet<string> = new Set(refusalReasons)

/** What became of a callback, as far as it is reported. */
interface Reported {
  readonly kind?: string
  readonly confirmed?: ConfirmedDecision | null
}

/** Reports a callback that was refused, or that contradicts the API. `payload` is `null` for one that was not read. */
export function reportCallback(
  { kind, confirmed }: Reported,
  payload: CallbackPayload | null,
  emit: EventListener,
): void {
  if (kind !== undefined && isRefusal(kind)) emit({ type: 'refused', reason: kind, approvalId: payload?.id ?? null })
  if (payload === null || confirmed === undefined || confirmed === null) return
  const fields = contradictions(payload, confirmed)
  if (fields.length > 0) emit({ type: 'mismatch', approvalId: payload.id, fields })
}

function isRefusal(kind: string): kind is RefusalReason {
  return refusals.has(kind)
}
