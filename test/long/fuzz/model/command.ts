import fc from 'fast-check'
import { isCheqpointError } from '../../../../src/index.js'
import { idPool, type Model } from './model.js'
import { checkPromises } from './promises.js'
import type { World } from './world.js'

export type ModelCommand = fc.AsyncCommand<Model, World>
export type Drawn = fc.Arbitrary<ModelCommand>

/** Which approval, and which of the two processes. */
export const anyId: fc.Arbitrary<string> = fc.constantFrom(...idPool)
export const anySide: fc.Arbitrary<0 | 1> = fc.constantFrom<0 | 1>(0, 1)

/** A command that may be given at any time; after it every promise is checked. */
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

/** Lets work begin that may never end, because its process dies, and go on by itself. */
export function set(world: World, work: Promise<unknown>): Promise<void> {
  work.catch((error: unknown) => {
    if (!isCheqpointError(error)) world.strays.push(error)
  })
  return world.time.live(1)
}
