import assert from 'node:assert/strict'
import { kept } from '../../../support/kept.js'
import type { Model } from './model.js'
import { checkPromises } from './promises.js'
import type { World } from './world.js'

const rounds = 60

/**
 * Ends all faults, decides everything and lets time pass. Throws if a tracked approval is then neither completed nor
 * parked.
 */
export async function expectGoodEnd(model: Model, world: World): Promise<void> {
  world.api = 'answers'
  for (const id of model.ids.keys()) {
    if (world.verdictOn(id).status === 'PENDING')
      world.verdicts.set(id, { status: 'APPROVED', modifiedDetails: null, decisionNote: null })
  }
  for (const on of [0, 1] as const) {
    if (world.processes[on].way.severed) world.replace(on)
    const process = world.processes[on]
    process.way.mend()
    process.mode = 'returns'
    process.letGo('returns')
  }
  for (let round = 0; round < rounds; round++) {
    await world.time.live(60_000)
    await world.time.end(world.processes[0].receiver.reconcile())
    await checkPromises(model, world)
    if (await isOver(model, world)) break
  }
  for (const id of model.ids.keys()) {
    const state = (await kept(world.store, id))?.state
    assert.ok(state === undefined || state === 'completed' || state === 'parked', `${id} is ${state} in the end`)
  }
  assert.deepEqual(world.strays, [], 'errors without a code')
}

async function isOver({ ids }: Model, { store }: World): Promise<boolean> {
  for (const id of ids.keys()) {
    const state = (await kept(store, id))?.state
    if (state === 'pending' || state === 'claimed') return false
  }
  return true
}
