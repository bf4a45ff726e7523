import { type Case, runCase, type StoreHarness } from './contract-bench.js'
import { claimCases } from './contract-claims.js'
import { dueCases } from './contract-due.js'
import { fidelityCases } from './contract-fidelity.js'
import { raceCases } from './contract-races.js'
import { recordCases } from './contract-records.js'
import { reservationCases } from './contract-reservations.js'
import { writeCases } from './contract-writes.js'

export type { StoreHarness, StoreUnderTest } from './contract-bench.js'

/** One rule of the store contract. */
export interface ContractCase {
  /** The rule, as a sentence. */
  readonly name: string
  /** Resolves where the store keeps the rule; rejects with an `AssertionError` where it breaks it. */
  run(): Promise<void>
}

const cases: readonly Case[] = [
  ...recordCases,
  ...reservationCases,
  ...claimCases,
  ...writeCases,
  ...dueCases,
  ...raceCases,
  ...fidelityCases,
]

/**
 * The contract of `Store` as a list of tests, for any test runner. Each case creates a store of its own, so cases may
 * run at the same time. It shows what a store does, not what it survives: persistence and failover are the store's own.
 *
 * @example
 * ```ts
 * const harness = { create: async () => ({ store: myStore(await emptyDatabase()) }) }
 * for (const { name, run } of storeContract(harness)) test(name, run)
 * ```
 */
export function storeContract(harness: StoreHarness): readonly ContractCase[] {
  return cases.map(([name, body]) => ({ name, run: () => runCase(harness, body) }))
}
