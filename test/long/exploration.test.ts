import { describe, expect, test } from 'vitest'
import { approvalModel } from '../support/exploration/approval-moves.js'
import { ApprovalWorld, type Policy } from '../support/exploration/approval-world.js'
import { bindingModel } from '../support/exploration/binding-moves.js'
import { BindingWorld } from '../support/exploration/binding-world.js'
import { approvalBugs, bindingBugs } from '../support/exploration/bugs.js'
import { explore } from '../support/exploration/explore.js'

/*
 * All states that two workers on one store can reach, breadth first. Bounded moves happen at most that often in a path;
 * all others (claims, polls, runs, deaths, callbacks, sweeps, waits) any number of times and in any order.
 */

const calm = { faults: 0, flips: 0, steps: 0, lives: 1, persons: 0 }
const still = { faults: 0, submits: 1, discards: 0, strangers: 0 }

describe('the transitions of an approval keep every invariant in every interleaving of two workers', () => {
  const approvalRuns: readonly (readonly [Policy['guarantee'], string, typeof calm, number])[] = [
    ['at-least-once', 'a write whose response is lost, or that arrives late or never', { ...calm, faults: 1 }, 200_000],
    ['at-least-once', 'a store clock that is set forward', { ...calm, steps: 1 }, 50_000],
    ['at-least-once', 'an operator who cancels or retries', { ...calm, persons: 1 }, 50_000],
    ['at-least-once', 'an API that changes its decision', { ...calm, flips: 1 }, 50_000],
    ['at-least-once', 'an id that is added again after its tombstone expired', { ...calm, lives: 2 }, 30_000],
    ['at-most-once', 'a write whose response is lost, or that arrives late or never', { ...calm, faults: 1 }, 100_000],
    ['at-most-once', 'an operator who cancels or retries', { ...calm, persons: 1 }, 20_000],
  ]

  test.each(approvalRuns)('%s, with %s', (guarantee, what, bounds, atLeast) => {
    const { states, transitions, broken } = explore(approvalModel(new ApprovalWorld({ guarantee }, bounds)))
    console.log(`exploration, ${guarantee}, ${what}: ${states} states, ${transitions} transitions`)
    expect(broken).toBeNull()
    // Far fewer states would mean that moves are missing.
    expect(states).toBeGreaterThan(atLeast)
  })

  test.each(approvalBugs)('finds the seeded bug: $bug', ({ policy, bounds, replaced, breaks }) => {
    const { broken } = explore(approvalModel(new ApprovalWorld(policy, bounds, replaced)))
    expect(broken?.invariant, broken?.path.join(' → ')).toBe(breaks)
  })
})

describe('the writes of a submission and its binding keep every invariant in every interleaving of two workers', () => {
  const bindingRuns: readonly (readonly ['keyed' | 'random', string, typeof still, number])[] = [
    ['random', 'a write whose response is lost, or that arrives late or never', { ...still, faults: 1 }, 5_000],
    ['keyed', 'a write whose response is lost, or that arrives late or never', { ...still, faults: 1 }, 10_000],
    ['keyed', 'two submissions under one key', { ...still, submits: 2 }, 10_000],
    ['keyed', 'an id that belongs to another submission', { ...still, strangers: 1 }, 10_000],
    ['random', 'an operator who discards', { ...still, discards: 1 }, 1_000],
  ]

  test.each(bindingRuns)('%s, with %s', (kind, what, bounds, atLeast) => {
    const { states, transitions, broken } = explore(bindingModel(new BindingWorld(kind, bounds)))
    console.log(`exploration of binding, ${kind}, ${what}: ${states} states, ${transitions} transitions`)
    expect(broken).toBeNull()
    expect(states).toBeGreaterThan(atLeast)
  })

  test.each(bindingBugs)('finds the seeded bug: $bug', ({ kind, bounds, replaced, breaks }) => {
    const { broken } = explore(bindingModel(new BindingWorld(kind, bounds, replaced)))
    expect(broken?.invariant, broken?.path.join(' → ')).toBe(breaks)
  })
})
