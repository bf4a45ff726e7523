import { type Completable, type Completion, completion, type Entry, type Store } from '../../src/stores/store.js'

/** The parts of a run that stores use. */
export interface FakeRun extends Completable {
  /** The stamp of the entry that completes it. */
  readonly stamp: string
  /** Whether its renewals have stopped. */
  readonly settled: () => boolean
}

const long = 3_600_000
let drawn = 0

/** A run of a key, which can complete while the state has its token. */
export function fakeRun(key: string, token: string): FakeRun {
  const stamp = `done-${token}-${drawn++}`
  let settled = false
  const complete = (result: unknown): Completion => ({
    key,
    settle: async () => {
      settled = true
    },
    step({ entry: stored }) {
      if (stored?.state['token'] !== token || stored.state['done'] === true) return null
      // Tests pass JSON only.
      const state = { token, done: true, result: result as null }
      return { expected: stored.stamp, entry: { stamp, dueAt: null, parkedAt: null, state }, keepMs: long }
    },
  })
  return { stamp, settled: () => settled, [completion]: complete }
}

/** Claims a key for a token, if it is new or not completed, as the state machine does. */
export async function claim(store: Store, key: string, token: string): Promise<FakeRun> {
  const entry = { stamp: `claim-${token}-${drawn++}`, dueAt: long * 1e6, parkedAt: null, state: { token, done: false } }
  await overwrite(store, key, entry)
  return fakeRun(key, token)
}

/** Changes only the stamp of an entry, as a nudge does. */
export async function nudge(store: Store, key: string): Promise<boolean> {
  const { entry } = await store.read(key)
  if (entry === null) return false
  return store.write(key, entry.stamp, { ...entry, stamp: `nudge-${drawn++}` })
}

/** Whether the entry is completed, and by which token. */
export async function completedBy(store: Store, key: string): Promise<unknown> {
  const { entry } = await store.read(key)
  return entry?.state['done'] === true ? entry.state['token'] : null
}

async function overwrite(store: Store, key: string, entry: Entry): Promise<void> {
  const stored = (await store.read(key)).entry
  if (stored?.state['done'] === true) throw new Error(`${key} is completed`)
  if (!(await store.write(key, stored?.stamp ?? null, entry))) throw new Error(`another writer won ${key}`)
}
