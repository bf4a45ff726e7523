import type { Store } from 'cheqpoint-callback'

let written = 0

/** Writes an approval as `track` does, of a request that was submitted elsewhere. */
export async function openApproval(store: Store, id: string, details: object, dueInMs: number): Promise<void> {
  const now = Date.now()
  const request = { action: 'process_refund', expiresAt: now + 604_800_000, expiresAfterMs: 604_800_000 }
  const texts = { details: JSON.stringify(details), context: 'null' }
  const stamp = `4R2mV0b9xQzT.${(written++).toString(36)}`
  const state = { v: 1, kind: 'open', ...request, ...texts, since: now }
  const entry = { stamp, dueAt: now + dueInMs, parkedAt: null, state }
  if (!(await store.write(`a:${id}`, null, entry, { intake: true }))) throw new Error(`${id} is stored already`)
}
