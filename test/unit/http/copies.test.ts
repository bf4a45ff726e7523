import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { Copies, type CopiesTerms } from '../../../src/http/copies.js'
import type { Outcome } from '../../../src/model/outcome.js'
import type { Trigger } from '../../../src/pipeline/context.js'

const trigger: Trigger = { approvalId: 'req_1', via: 'callback' }

interface CopiesBench {
  readonly begun: Trigger[]
  /** Lets the look that began first end. */
  readonly end: () => Promise<void>
  /** A callback comes. Its outcomes: none yet, or one, with the number of the look that it is of. */
  readonly come: (each?: Trigger) => { readonly outcomes: readonly Outcome[]; readonly leave: () => void }
}

/** A pipeline whose looks end when the test says so. */
function bench(terms: Partial<CopiesTerms> = {}): CopiesBench {
  const begun: Trigger[] = []
  const ends: (() => void)[] = []
  const process = ({ approvalId }: Trigger): Promise<Outcome> => {
    const retryAfterMs = begun.push(trigger)
    return new Promise((resolve) => ends.push(() => resolve({ kind: 'undecided', approvalId, retryAfterMs })))
  }
  const copies = new Copies({ process }, { most: 2, maxWaiting: 100, isClosing: () => false, ...terms })
  return {
    begun,
    async end() {
      ends.shift()?.()
      await turn()
    },
    come(each = trigger) {
      const outcomes: Outcome[] = []
      const leave = vi.fn()
      void copies.process(each, leave).then((outcome) => outcomes.push(outcome))
      return { outcomes, leave }
    },
  }
}

const ofLook = (nth: number) => [{ kind: 'undecided', approvalId: 'req_1', retryAfterMs: nth }]

describe('copies of one callback', () => {
  it('are looked into, so many at a time, and keep their places', async () => {
    const { begun, end, come } = bench()
    const both = [come(), come()]
    expect(begun).toHaveLength(2)
    for (const _ of both) await end()
    expect(both.map(({ outcomes }) => outcomes)).toEqual([ofLook(1), ofLook(2)])
    for (const { leave } of both) expect(leave).not.toHaveBeenCalled()
    come()
    expect(begun).toHaveLength(3)
  })

  it('beyond that leave their places, and share the outcome of one look that begins after they came', async () => {
    const { begun, end, come } = bench()
    come()
    come()
    const rest = Array.from({ length: 50 }, () => come())
    for (const { leave } of rest) expect(leave).toHaveBeenCalledOnce()
    expect(begun).toHaveLength(2)
    await end()
    expect(begun).toHaveLength(3)
    const later = come()
    await end()
    await end()
    expect(begun).toHaveLength(4)
    for (const { outcomes } of rest) expect(outcomes).toEqual(ofLook(3))
    expect(later.outcomes).toEqual([])
    await end()
    expect(later.outcomes).toEqual(ofLook(4))
  })

  it('of another approval, or with another token, are not in their way', () => {
    const { begun, come } = bench()
    const others: readonly Trigger[] = [trigger, { ...trigger, approvalId: 'req_2' }, { ...trigger, ref: 'ref_1' }]
    for (const each of others) for (let at = 0; at < 5; at++) come(each)
    expect(begun).toHaveLength(6)
  })

  it('wait in a bounded number, whatever they are copies of', async () => {
    const { end, come } = bench({ maxWaiting: 3 })
    const fourOf = (approvalId: string) => Array.from({ length: 4 }, () => come({ ...trigger, approvalId }))
    const all = [...fourOf('req_1'), ...fourOf('req_2')]
    await turn()
    expect(all.flatMap(({ outcomes }) => outcomes)).toEqual([{ kind: 'overloaded' }])
    await end()
    const [late] = fourOf('req_2')
    await turn()
    expect(late?.outcomes).toEqual([])
  })

  it('that wait while the receiver closes are told so', async () => {
    let isClosing = false
    const { begun, end, come } = bench({ isClosing: () => isClosing })
    come()
    come()
    const third = come()
    isClosing = true
    await end()
    expect(third.outcomes).toEqual([{ kind: 'closing' }])
    expect(begun).toHaveLength(2)
  })
})
