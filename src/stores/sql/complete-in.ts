import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { invalidArgument } from '../entry-values.js'
import { type Completable, type Completion, completion } from '../store.js'
import { entryValues, type Row, readStored, type SqlValue, storedKey } from './rows.js'

/** A statement of a completion: `update` writes over a stamp, `lock` reads the row and keeps others from writing it. */
export type CompletionStep = readonly [statement: 'update' | 'lock', values: SqlValue[]]

/** The completion that a run or a claim carries. Throws `argument-invalid` for anything else, and for a result that is a function. */
export function completionOf(run: Run | Completable, result: unknown): Completion {
  // The types of a run and of a claim do not show it, and callers without a compiler may pass anything.
  const given = run as Partial<Completable> | null | undefined
  const complete = given?.[completion]
  if (typeof complete !== 'function')
    throw invalidArgument('completeIn: run must be what onDecision or verifyAndResolve gave')
  if (typeof result !== 'function') return complete.call(given, result)
  throw invalidArgument('completeIn: result must be JSON; a query is the second argument, and of postgresStore alone')
}

/**
 * The statements that complete a run inside a transaction, whichever way they are sent. A nudge or a renewal may have
 * moved the stamp on, so the row is read and locked before the lease counts as lost. Throws `lease-lost`.
 */
export function* completing(work: Completion): Generator<CompletionStep, void, readonly Row[]> {
  const write = ({ expected, entry, keepMs }: NonNullable<ReturnType<Completion['step']>>): CompletionStep => {
    return ['update', [storedKey(work.key), expected, ...entryValues(entry, keepMs)]]
  }
  const first = work.step()
  if (first !== null && (yield write(first)).length > 0) return
  const [row] = yield ['lock', [storedKey(work.key)]]
  const again = work.step(readStored(row))
  if (again !== null && (yield write(again)).length > 0) return
  const what = 'the lease of this run was lost: another worker holds or completed the approval'
  throw new CheqpointError('lease-lost', `${what}; roll the transaction back`)
}
