/**
 * Runs synchronous work that may be slow, in order: at once until it took `maxMs`, then in the next turn of the event
 * loop, and so on. So timers and requests wait for at most `maxMs` and one piece of work.
 */
export function paced(maxMs: number): <Result>(work: () => Result) => Promise<Result> {
  let spent = 0
  return async (work) => {
    while (spent > maxMs) await new Promise((resolve) => setImmediate(resolve))
    const began = performance.now()
    try {
      return work()
    } finally {
      spent += performance.now() - began
      // Runs before those who wait, which were scheduled later.
      if (spent > maxMs) setImmediate(() => (spent = 0))
    }
  }
}
