import fc from 'fast-check'
import { anyId, anySide, command, type Drawn, set } from './command.js'
import type { Mishap } from './severable-store.js'
import { type ApiMode, type HandlerMode, leaseMs, type Verdict } from './world.js'

const approved: Verdict = { status: 'APPROVED', modifiedDetails: null, decisionNote: null }

/** Faults: processes die, store calls are lost, handlers fail or stall, the API fails. */
export const faults: readonly Drawn[] = [
  fc
    .record({ on: anySide, ms: fc.constantFrom(5_000, 29_000, 31_000, 90_000) })
    .map(({ on, ms }) =>
      command(`${on} is cut off from the store for ${ms}`, (_, world) => world.processes[on].way.cutOff(ms)),
    ),
  fc
    .record({ which: anyId, on: anySide, mode: fc.constantFrom<HandlerMode>('returns', 'hangs') })
    .map(({ which, on, mode }) =>
      command(`the other takes ${which} over from ${on}, and its handler ${mode}`, async (_, world) => {
        const other = on === 0 ? 1 : 0
        if (!world.verdicts.has(which)) world.verdicts.set(which, approved)
        world.processes[on].mode = 'hangs'
        world.processes[other].mode = mode
        await set(world, world.processes[on].callback(which, {}))
        world.processes[on].way.cutOff(leaseMs + 1)
        await world.time.live(leaseMs + 1)
        await set(world, world.processes[other].callback(which, {}))
      }),
    ),
  anySide.map((on) => command(`crash ${on}`, (_, world) => world.replace(on))),
  fc.record({ on: anySide, nth: fc.integer({ min: 1, max: 6 }), written: fc.boolean() }).map(({ on, nth, written }) =>
    command(`crash ${on} at its call ${nth}, ${written ? 'written' : 'not written'}`, (_, world) => {
      const process = world.processes[on]
      if (process.way.severed) world.replace(on)
      else process.way.severAt(nth, written)
    }),
  ),
  fc
    .record({
      on: anySide,
      mishaps: fc.array(fc.constantFrom<Mishap>('refused', 'answer lost', 'late', 'answered late'), {
        minLength: 1,
        maxLength: 4,
      }),
    })
    .map(({ on, mishaps }) =>
      command(`calls of ${on} are ${mishaps.join(', ')}`, (_, world) => world.processes[on].way.upset(mishaps)),
    ),
  fc
    .record({ on: anySide, mode: fc.constantFrom<HandlerMode>('returns', 'throws', 'hangs', 'is slow') })
    .map(({ on, mode }) =>
      command(`handler ${on} ${mode}`, (_, world) => {
        world.processes[on].mode = mode
      }),
    ),
  fc
    .record({ on: anySide, how: fc.constantFrom('returns' as const, 'throws' as const) })
    .map(({ on, how }) => command(`hanging handlers of ${on}: ${how}`, (_, world) => world.processes[on].letGo(how))),
  fc.constantFrom<ApiMode>('answers', 'answers', 'fails', 'hangs', 'throttles', 'refuses the key').map((mode) =>
    command(`the API ${mode}`, (_, world) => {
      world.api = mode
    }),
  ),
]
