import type { Run } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import { invalidArgument } from './entry-values.js'
import { type Completable, type Completion, completion, type Stored } from './store.js'

/** The completion that a run or a claim carries. Throws `argument-invalid` for anything else, and for a function as result. */
export function completionOf(run: Run | Completable, result: unknown): Completion {
  // The types of a run and of a claim do not show it, and callers without a compiler may pass anything.
  const complete = (run as Partial<Completable> | null | undefined)?.[completion]
  if (typeof complete !== 'function') throw invalidArgument('completeIn: pass the run of onDecision, or a claim')
  if (typeof result !== 'function') return complete.call(run, result)
  throw invalidArgument('completeIn: result must be JSON; only postgresStore takes a query, before it')
}

/** The write that completes a run over what is stored. Throws `lease-lost`. */
export function completionWrite({ step }: Completion, stored: Stored): NonNullable<ReturnType<typeof step>> {
  const write = step(stored)
  if (write !== null) return write
  const what = 'another worker holds or completed the approval, or this run completed it before'
  throw new CheqpointError('lease-lost', `${what}; roll the transaction back`)
}
