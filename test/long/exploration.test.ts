import { describe, expect, test } from 'vitest'
import { bugs } from '../support/exploration/bugs.js'
import { explore } from '../support/exploration/explore.js'
import { dueInvariant, invariants } from '../support/exploration/invariants.js'

describe('one request and two workers, in every order of claims, crashes, lost answers, callbacks, sweeps and waits', () => {
  test.each(['at-least-once', 'at-most-once'] as const)(
    '%s: every state that can be reached keeps every invariant',
    { timeout: 120_000 },
    async (guarantee) => {
      const { states, transitions, broken } = await explore({ guarantee })
      console.log(`exploration, ${guarantee}: ${states} states, ${transitions} transitions`)
      expect(broken).toBeNull()
      // Far fewer would mean that steps are missing, not that there is less to explore.
      expect(states).toBeGreaterThan(20_000)
    },
  )

  test.each(bugs)('a seeded bug is found: $bug', { timeout: 60_000 }, async ({ policy, store, breaks }) => {
    const { broken } = await explore(policy, store)
    expect(broken?.invariant, broken?.path.join(' → ')).toBe(breaks)
  })

  test('every invariant is broken by some seeded bug', () => {
    const all = [...invariants.map(({ name }) => name), dueInvariant]
    expect([...new Set(bugs.map(({ breaks }) => breaks))].sort()).toEqual(all.sort())
  })
})
