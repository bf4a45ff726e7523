import assert from 'node:assert/strict'
import fc from 'fast-check'

/** A property that must hold in every case. */
export interface Property {
  /** Short name, for `--only`. */
  readonly name: string
  readonly says: string
  /** Cases in the test suite and in a full run. */
  readonly cases: { readonly suite: number; readonly full: number }
  /** Whether it needs an installed `redis-server`. */
  readonly needsRedis: boolean
  /** Events that must occur within the suite's number of cases; otherwise the property proves nothing. */
  readonly sees: readonly string[]
  check(seed: number, cases: number): Promise<Report>
}

export interface Report {
  readonly cases: number
  readonly ms: number
  /** Counts of the relevant events. */
  readonly seen: ReadonlyMap<string, number>
  /** `null` if the property holds. */
  readonly failure: Failure | null
}

export interface Failure {
  readonly error: unknown
  /** The smallest case that fails. */
  readonly example: string
  /** fast-check's path to the case, for the same seed. */
  readonly path: string
}

export interface Terms<Case> {
  readonly name: string
  readonly says: string
  /** Default 100,000. */
  readonly suite?: number
  /** Default 1,000,000. */
  readonly full?: number
  readonly needsRedis?: boolean
  readonly sees: readonly string[]
  readonly arbitrary: fc.Arbitrary<Case>
  /** Prepares the shared setup. */
  readonly open: () => Judge<Case> | Promise<Judge<Case>>
}

export interface Judge<Case> {
  /** Throws if the case violates the property. */
  judge(each: Case, note: (what: string) => void): Promise<void>
  close?(): void | Promise<void>
}

const numberOfGlobals = { prototype: Object.getOwnPropertyNames(Object.prototype).length }

/** A property with random cases; a failing one is shrunk. */
export function property<Case>({
  suite = 100_000,
  full = 1_000_000,
  needsRedis = false,
  ...terms
}: Terms<Case>): Property {
  return {
    name: terms.name,
    says: terms.says,
    cases: { suite, full },
    needsRedis,
    sees: terms.sees,
    async check(seed, cases) {
      const startedAt = performance.now()
      const seen = new Map<string, number>()
      const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)
      const strays: unknown[] = []
      const onStray = (reason: unknown): void => void strays.push(reason)
      process.on('unhandledRejection', onStray)
      const judge = await terms.open()
      try {
        const asked = fc.asyncProperty(terms.arbitrary, async (each) => {
          await judge.judge(each, note)
          checkGlobals(strays.splice(0))
        })
        const { failed, errorInstance, counterexample, counterexamplePath, numRuns } = await fc.check(asked, {
          seed,
          numRuns: cases,
        })
        // Unhandled rejections of the last case appear a turn later.
        await new Promise((resolve) => setImmediate(resolve))
        const left = failed ? null : attempt(() => checkGlobals(strays))
        const ms = performance.now() - startedAt
        if (!failed && left === null) return { cases: numRuns, ms, seen, failure: null }
        const failure = {
          error: left ?? errorInstance,
          example: fc.stringify(counterexample),
          path: counterexamplePath ?? '',
        }
        return { cases: numRuns, ms, seen, failure }
      } finally {
        await judge.close?.()
        process.off('unhandledRejection', onStray)
      }
    },
  }
}

function checkGlobals(strays: readonly unknown[]): void {
  assert.deepEqual(strays, [], 'a rejection that nobody handles')
  assert.equal(Reflect.get({}, 'polluted'), undefined, 'a polluted prototype')
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, numberOfGlobals.prototype, 'a changed prototype')
}

function attempt(check: () => void): unknown {
  try {
    check()
    return null
  } catch (error) {
    return error
  }
}
