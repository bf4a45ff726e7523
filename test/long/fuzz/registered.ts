import type { Store } from '../../../src/index.js'

/** What of a record matters to a case. Details and context are JSON text. */
export interface Registered {
  readonly ref?: string | null
  readonly action?: string
  readonly details?: string
  readonly context?: string
  readonly expiresAt?: number | null
}

/** Puts a record into a store as it stands there after `track`, without what that costs. */
export async function register(store: Store, id: string, fields: Registered = {}): Promise<void> {
  const { ref = null, action = 'refund', details = '{"orderId":"8842","amount":120}', context = 'null' } = fields
  const { expiresAt = null } = fields
  await store.add({ id, ref, action, assistant: null, expiresAt, details, context }, { dueInMs: 15_000 })
}
