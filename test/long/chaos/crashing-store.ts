import type { Store } from '../../../src/stores/store.js'
import type { CrashPoint } from './messages.js'

/** A store whose process dies at one named point of its first approval, as a power cut would have it. */
export function dieAt(point: CrashPoint | null, store: Store): Store {
  return {
    ...store,
    async claim(id, token, leaseMs, options) {
      const answer = await store.claim(id, token, leaseMs, options)
      if (answer.kind === 'claimed') dieIf(point, 'c1')
      return answer
    },
    async seal(id, token, sealed) {
      dieIf(point, 'c2')
      const answer = await store.seal(id, token, sealed)
      dieIf(point, 'c3')
      return answer
    },
    async complete(id, token, end, retentionMs) {
      dieIf(point, 'c6')
      const answer = await store.complete(id, token, end, retentionMs)
      dieIf(point, 'c7')
      return answer
    },
  }
}

/** Dies at once, where this is the point: nothing after it happens. */
export function dieIf(point: CrashPoint | null, here: CrashPoint): void {
  if (point !== here) return
  process.kill(process.pid, 'SIGKILL')
  // The signal is on its way; not one more step until it is here.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
