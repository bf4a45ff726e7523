/** One removed guard of the library. */
export interface Mutant {
  /** The removed guard, as a sentence. */
  readonly guard: string
  readonly file: `src/${string}` | `adapters/${string}`
  /** Text that occurs in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** Files in `test/` that should fail, the most likely first. */
  readonly tests: readonly [string, ...string[]]
}
