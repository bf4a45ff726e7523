import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Story, World } from '../support/submit-world.js'

const numRuns = Number(process.env['SCHEDULES'] ?? 20_000)
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const story: fc.Arbitrary<Story> = fc.record({
  answer: fc.constantFrom('pending', 'approved', 'rejected', 'lost'),
  verdict: fc.constantFrom('approved', 'rejected', 'nothing'),
  callbacks: fc.integer({ min: 0, max: 3 }),
  sweeps: fc.integer({ min: 0, max: 3 }),
  secret: fc.boolean(),
  swept: fc.boolean(),
  twice: fc.boolean(),
  leak: fc.boolean(),
})

it(`keeps every promise in ${numRuns} random orders of submitting, calling back, deciding, sweeping and completing`, async () => {
  console.log(`${numRuns} schedules from seed ${seed}`)
  await fc.assert(
    fc.asyncProperty(story, fc.scheduler(), async (told, scheduler) => {
      const world = new World(told, (label) => scheduler.schedule(Promise.resolve(), label))
      world.begin()
      await scheduler.waitIdle()
      await world.end()
      expect(await world.violations()).toEqual([])
      await world.leave()
    }),
    { numRuns, seed, timeout: 10_000 },
  )
})
