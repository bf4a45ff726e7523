import fc from 'fast-check'
import { isCheqpointError } from '../../../../src/index.js'
import { idPool, type Model } from './model.js'
import { checkPromises } from './promises.js'
import type { World } from './world.js'

export type ModelCommand = fc.AsyncCommand<Model, World>
export type Drawn = fc.Arbitrary<ModelCommand>

/** The approval and the process. */
export const anyId: fc.Arbitrary<string> = fc.constantFrom(...idPool)
export const anySide: fc.Arbitrary<0 | 1> = fc.constantFrom<0 | 1>(0, 1)

/** A command that is allowed at any time; every promise is checked after it. */
export function command(name: string, run: (model: Model, world: World) => unknown): ModelCommand {
  return {
    check: () => true,
    async run(model, world) {
      await run(model, world)
      await world.time.live(0)
      await checkPromises(model, world)
    },
    toString: () => name,
  }
}

/** Starts work in the background that may never end, because its process dies. */
export function set(world: World, work: Promise<unknown>): Promise<void> {
  work.catch((error: unknown) => {
    if (!isCheqpointError(error)) world.strays.push(error)
  })
  return world.time.live(1)
}
