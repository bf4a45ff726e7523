import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { Copies, type CopiesDeps } from '../../../src/http/copies.js'
import type { Outcome } from '../../../src/model/outcome.js'
import type { Trigger } from '../../../src/pipeline/context.js'

const trigger: Trigger = { approvalId: 'req_1', via: 'callback' }

interface CopiesBench {
  readonly processed: Trigger[]
  /** Ends the process call that began first. */
  readonly end: () => Promise<void>
  /** A callback arrives. Its outcome, once it has one, names the process call that it comes from. */
  readonly arrive: (each?: Trigger) => { readonly outcomes: readonly Outcome[]; readonly leave: () => void }
}

/** Copies over a pipeline whose calls end when the test says so. */
function bench(deps: Partial<CopiesDeps> = {}): CopiesBench {
  const processed: Trigger[] = []
  const ends: (() => void)[] = []
  const process = (each: Trigger): Promise<Outcome> => {
    const { approvalId } = each
    const retryAfterMs = processed.push(each)
    return new Promise((resolve) => ends.push(() => resolve({ kind: 'undecided', approvalId, retryAfterMs })))
  }
  const defaults = { pipeline: { process }, concurrency: 2, maxWaiting: 100, isClosing: () => false }
  const copies = new Copies({ ...defaults, ...deps })
  return {
    processed,
    async end() {
      ends.shift()?.()
      await turn()
    },
    arrive(each = trigger) {
      const outcomes: Outcome[] = []
      const leave = vi.fn()
      void copies.process(each, leave).then((outcome) => outcomes.push(outcome)) // it cannot reject
      return { outcomes, leave }
    },
  }
}

const ofCall = (nth: number): readonly Outcome[] => [{ kind: 'undecided', approvalId: 'req_1', retryAfterMs: nth }]

describe('copies of one callback', () => {
  it('are processed up to the concurrency, and keep their places', async () => {
    const { processed, end, arrive } = bench()
    const both = [arrive(), arrive()]
    expect(processed).toHaveLength(2)
    for (const _ of both) await end()
    expect(both.map(({ outcomes }) => outcomes)).toEqual([ofCall(1), ofCall(2)])
    for (const { leave } of both) expect(leave).not.toHaveBeenCalled()
    arrive()
    expect(processed).toHaveLength(3)
  })

  it('beyond it leave their places, and share the outcome of one that is processed after all of them arrived', async () => {
    const { processed, end, arrive } = bench()
    arrive()
    arrive()
    const rest = Array.from({ length: 50 }, () => arrive())
    for (const { leave } of rest) expect(leave).toHaveBeenCalledOnce()
    expect(processed).toHaveLength(2)
    await end()
    expect(processed).toHaveLength(3)
    const later = arrive()
    await end()
    await end()
    expect(processed).toHaveLength(4)
    for (const { outcomes } of rest) expect(outcomes).toEqual(ofCall(3))
    expect(later.outcomes).toEqual([])
    await end()
    expect(later.outcomes).toEqual(ofCall(4))
  })

  it('do not delay another approval, or another token', () => {
    const { processed, arrive } = bench()
    const others: readonly Trigger[] = [trigger, { ...trigger, approvalId: 'req_2' }, { ...trigger, ref: 'ref_1' }]
    for (const each of others) for (let at = 0; at < 5; at++) arrive(each)
    expect(processed).toHaveLength(6)
  })

  it('wait within one limit for all callbacks, and those beyond it are refused', async () => {
    const { end, arrive } = bench({ maxWaiting: 3 })
    const four = (approvalId: string) => Array.from({ length: 4 }, () => arrive({ ...trigger, approvalId }))
    const all = [...four('req_1'), ...four('req_2')]
    await turn()
    expect(all.flatMap(({ outcomes }) => outcomes)).toEqual([{ kind: 'overloaded' }])
    await end()
    const late = arrive({ ...trigger, approvalId: 'req_2' })
    await turn()
    expect(late.outcomes).toEqual([])
  })

  it('that wait while the receiver closes are refused', async () => {
    let isClosing = false
    const { processed, end, arrive } = bench({ isClosing: () => isClosing })
    const [, , third] = [arrive(), arrive(), arrive()]
    isClosing = true
    await end()
    expect(third.outcomes).toEqual([{ kind: 'closing' }])
    expect(processed).toHaveLength(2)
  })
})
