/** One guard of the library, taken away. */
export interface Mutant {
  /** What the library no longer keeps to, as a sentence. */
  readonly guard: string
  readonly file: `src/${string}` | `adapters/${string}`
  /** Text that stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** Files in `test/` that should notice, most likely first. */
  readonly tests: readonly [string, ...string[]]
}
