import type { Store } from '../../../src/stores/store.js'
import type { JsonObject } from '../../../src/util/json.js'
import type { CrashPoint } from './messages.js'

/** The points before and after each write of an approval. */
const points = {
  claim: [null, 'c1'],
  record: ['c2', 'c3'],
  complete: ['c6', 'c7'],
} as const

/** A store whose process dies at one named point of its first approval, as in a power cut. */
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

/** The kind of an approval's write, derived from the written entry. */
function writeOf({ kind, leaseEnd, decision }: JsonObject): keyof typeof points | null {
  if (kind === 'completed') return 'complete'
  if (leaseEnd === undefined) return null
  return decision === undefined ? 'claim' : 'record'
}

/** Kills the process if this is the point. */
export function dieIf(point: CrashPoint | null, here: CrashPoint): void {
  if (point === here) dieNow()
}

export function dieNow(): void {
  process.kill(process.pid, 'SIGKILL')
  // Waits for the signal, so that no further step runs.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
