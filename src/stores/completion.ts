import type { Run } from '../model/decision.js'
import { invalidArgument } from './entry-values.js'
import { type Completable, type Completion, completion } from './store.js'

/** Returns the completion of a run or a claim. Throws `argument-invalid` for anything else or a function as result. */
export function completionOf(run: Run | Completable, result: unknown): Completion {
  // The types of runs and claims hide this property, and callers without a compiler may pass anything.
  const complete = (run as Partial<Completable> | null | undefined)?.[completion]
  if (typeof complete !== 'function') throw invalidArgument('completeIn: pass the run of onDecision, or a claim')
  if (typeof result !== 'function') return complete.call(run, result)
  throw invalidArgument('completeIn: result must be JSON; only postgresStore takes a query, before it')
}
