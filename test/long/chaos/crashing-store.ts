import type { Store } from '../../../src/stores/store.js'
import type { JsonObject } from '../../../src/util/json.js'
import type { CrashPoint } from './messages.js'

/** The points before and after each write of an approval. */
const points = {
  claim: [null, 'c1'],
  record: ['c2', 'c3'],
  complete: ['c6', 'c7'],
} as const

/** A store whose process dies at one named point of its first approval, as a power cut would have it. */
export function dieAt(point: CrashPoint | null, store: Store): Store {
  return {
    ...store,
    async write(key, expected, entry, options) {
      const write = key.startsWith('a:') ? writeOf(entry.state) : null
      const [before, after] = write === null ? [null, null] : points[write]
      if (before !== null) dieIf(point, before)
      const written = await store.write(key, expected, entry, options)
      if (after !== null && written) dieIf(point, after)
      return written
    },
  }
}

/** What a write of an approval is: read from what it writes, since a store is told nothing else. */
function writeOf({ kind, leaseEnd, decision }: JsonObject): keyof typeof points | null {
  if (kind === 'completed') return 'complete'
  if (leaseEnd === undefined) return null
  return decision === undefined ? 'claim' : 'record'
}

/** Dies at once, where this is the point: nothing after it happens. */
export function dieIf(point: CrashPoint | null, here: CrashPoint): void {
  if (point === here) dieNow()
}

export function dieNow(): void {
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; not one more step until it is here.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
