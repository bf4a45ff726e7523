import type { Snapshot } from '../index.js'
import { type Entry, parsed } from './store.js'

/** What is shown of a record, whatever its state. */
export function entryOf(id: string, found: Snapshot): Entry {
  if (found.state === 'done') {
    const { action, assistant, outcome, sealed, result } = found.tombstone
    const facts = { approvalId: id, action, assistant, state: found.state, outcome }
    return { facts, payloads: { decision: parsed(sealed), result: parsed(result) } }
  }
  const { record, ageMs, starts, sealed } = found
  const { action, assistant } = record
  const rest = found.state === 'parked' ? { reason: found.reason, note: found.note } : { dueInMs: found.dueInMs }
  return {
    facts: { approvalId: id, action, assistant, state: found.state, ageMs, starts, ...rest },
    payloads: { details: parsed(record.details), context: parsed(record.context), decision: parsed(sealed) },
  }
}

/** The records of a page, which are never done. */
export function entriesOf(items: readonly Snapshot[]): readonly Entry[] {
  return items.flatMap((item) => (item.state === 'done' ? [] : [entryOf(item.record.id, item)]))
}
