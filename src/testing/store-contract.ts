import { CheqpointError } from '../index.js'
import { type Rules, runCase, type StoreHarness } from './contract-bench.js'
import { dueCases } from './contract-due.js'
import { fidelityCases } from './contract-fidelity.js'
import { keepingCases } from './contract-keeping.js'
import { listCases } from './contract-lists.js'
import { writeCases } from './contract-writes.js'

export type { StoreHarness, StoreUnderTest } from './contract-bench.js'

/** One rule of the store contract. */
export interface ContractCase {
  /** The rule, as a sentence. */
  readonly name: string
  /** Resolves if the store keeps the rule. Rejects with an `AssertionError`, or with the store's own error. */
  run(): Promise<void>
}

const rules: Rules = { ...writeCases, ...fidelityCases, ...dueCases, ...listCases, ...keepingCases }

/**
 * The contract of `Store` as test cases for any test runner. Each creates its own store, so they can run in parallel,
 * and none fails because a store is slow. Persistence and failover are not tested, since they differ between stores.
 * Throws `argument-invalid` without a harness.
 *
 * @example
 * ```ts
 * const harness = { create: async () => ({ store: myStore(await emptyDatabase()) }) }
 * for (const { name, run } of storeContract(harness)) test(name, run)
 * ```
 */
export function storeContract(harness: StoreHarness): readonly ContractCase[] {
  if (typeof harness?.create !== 'function') {
    const fix = 'a function that resolves with { store }, for a store of its own'
    throw new CheqpointError('argument-invalid', `storeContract() takes { create }, ${fix}`)
  }
  return Object.entries(rules).map(([name, body]) => ({ name, run: () => runCase(harness, body) }))
}
