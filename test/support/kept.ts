import {
  approvalKey,
  type OpenApproval,
  readApproval,
  reservationKey,
  type Tombstone,
} from '../../src/approvals/entry.js'
import type { Entry, Store } from '../../src/index.js'

/** The stored state of an approval, for tests. */
export type Kept = (Omit<OpenApproval, 'kind'> | Omit<Tombstone, 'kind'>) & {
  readonly state: 'pending' | 'claimed' | 'parked' | 'completed'
  /** `null` if it is not in the due index. */
  readonly dueInMs: number | null
}

/** Reads the stored approval, or `null`. */
export async function kept(store: Store, approvalId: string): Promise<Kept | null> {
  const stored = await store.read(approvalKey(approvalId))
  const known = readApproval(stored)
  if (known === null) return null
  if (known === 'unreadable') throw new Error(`what is stored of ${approvalId} cannot be read`)
  const dueAt = stored.entry?.dueAt ?? null
  const dueInMs = dueAt === null ? null : dueAt - stored.now
  const { kind, ...rest } = known
  if (kind === 'completed') return { ...rest, state: 'completed', dueInMs }
  const state = known.parked !== null ? 'parked' : known.leaseEnd !== null ? 'claimed' : 'pending'
  return { ...rest, state, dueInMs }
}

/** Changes a stored approval, as another process or a defect would. */
export async function rewrite(
  store: Store,
  approvalId: string,
  change: (entry: Entry) => Partial<Omit<Entry, 'stamp'>>,
): Promise<void> {
  await rewriteKey(store, approvalKey(approvalId), change)
}

let stamps = 0

/** The same for any key. */
export async function rewriteKey(
  store: Store,
  key: string,
  change: (entry: Entry) => Partial<Omit<Entry, 'stamp'>>,
): Promise<void> {
  const { entry } = await store.read(key)
  if (entry === null) throw new Error(`nothing is stored under ${key}`)
  const written = await store.write(key, entry.stamp, { ...entry, ...change(entry), stamp: `test.${stamps++}` })
  if (!written) throw new Error(`another writer was faster under ${key}`)
}

/** Lets another process take the lease over, as it may after the lease ended. */
export async function takeOver(store: Store, approvalId: string, leaseMs: number = 30_000): Promise<void> {
  const { now } = await store.read(approvalKey(approvalId))
  const leaseEnd = now + leaseMs
  await rewrite(store, approvalId, ({ state }) => {
    return { dueAt: leaseEnd, state: { ...state, holder: 'another', fence: Number(state['fence']) + 1, leaseEnd } }
  })
}

/** Makes a reference due now. */
export async function makeDue(store: Store, ref: string): Promise<void> {
  const { now } = await store.read(reservationKey(ref))
  await rewriteKey(store, reservationKey(ref), () => ({ dueAt: now }))
}
