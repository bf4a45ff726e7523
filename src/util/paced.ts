/**
 * Limits how long synchronous work blocks the event loop. After `maxMs` of work in one turn of the loop, the next piece
 * waits for the next turn. So timers and requests wait for at most `maxMs` plus one piece of work.
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
