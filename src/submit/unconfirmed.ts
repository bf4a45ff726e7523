import { type OpenReservation, readReservation } from '../approvals/entry.js'
import type { ListedEntry } from '../stores/store.js'
import { type JsonValue, showJson } from '../util/json.js'

/** A submission that Cheqpoint may have taken, and whose approval id is not known. */
export interface UnconfirmedSubmission {
  /** Our own reference: what `submission-unknown` carried, and what `discard` takes. */
  readonly ref: string
  readonly action: string
  readonly assistant: string | null
  readonly details: JsonValue
  readonly context: JsonValue
  /** When it was sent, by the store's clock (ms since the epoch). */
  readonly sentAt: number
  /** Approval ids that callbacks with its token named. */
  readonly candidates: readonly string[]
}

/** Reads an entry of the due index; nothing where it is no submission without an id. */
export function readUnconfirmed({ key, entry }: ListedEntry): readonly UnconfirmedSubmission[] {
  if (!key.startsWith('r:') || entry === null) return []
  const known = readReservation({ now: 0, entry })
  if (known === null || known === 'unreadable' || known.kind !== 'reserved' || !known.sent) return []
  return [show(key.slice(2), known)]
}

function show(ref: string, { request, since, candidates }: OpenReservation): UnconfirmedSubmission {
  const { action, assistant } = request
  const details = showJson(request.details)
  return { ref, action, assistant, details, context: showJson(request.context), sentAt: since, candidates }
}
