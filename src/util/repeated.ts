import { sleep } from './sleep.js'

/** Repeats for 2 s what fails temporarily (`passes`). Rejects with what `explain` makes of the last failure. */
export async function repeated<Result>(
  attempt: () => Result | Promise<Result>,
  passes: (error: unknown) => boolean,
  explain: (error: unknown) => Error,
): Promise<Result> {
  const end = performance.now() + 2_000
  for (let most = 1; ; most = Math.min(2 * most, 30)) {
    try {
      return await attempt()
    } catch (error) {
      if (!passes(error) || performance.now() > end) throw explain(error)
      await sleep(1 + Math.random() * most)
    }
  }
}
