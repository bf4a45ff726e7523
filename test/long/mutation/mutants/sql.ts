import type { Mutant } from '../mutant.js'

/** The stores in SQLite and Postgres. */
export const sqlMutants: readonly Mutant[] = []
