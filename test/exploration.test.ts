import { expect, test } from 'vitest'
import { explore } from './support/exploration/explore.js'

for (const guarantee of ['at-least-once', 'at-most-once'] as const) {
  test(`${guarantee}: every invariant holds in every state that two workers can reach`, async () => {
    const start = performance.now()
    const { states, transitions, broken } = await explore({ guarantee })
    console.log(`${guarantee}: ${states} states, ${transitions} transitions`, performance.now() - start)
    expect(broken).toBeNull()
  }, 600_000)
}
