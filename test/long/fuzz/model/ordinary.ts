import assert from 'node:assert/strict'
import fc from 'fast-check'
import { kept } from '../../../support/kept.js'
import { readAnswer } from '../answers.js'
import { anyId, anySide, command, type Drawn, set } from './command.js'
import { type Model, of } from './model.js'
import { minIntervalMs, original, retentionMs, type Verdict, type World } from './world.js'

/*
 * Commands without faults: submit, decide, cancel, retry, send callbacks, sweep, let time pass.
 */

const verdict: fc.Arbitrary<Verdict> = fc.constantFrom<Verdict>(
  { status: 'APPROVED', modifiedDetails: null, decisionNote: null },
  { status: 'APPROVED', modifiedDetails: { orderId: '8842', amount: 90 }, decisionNote: 'Less.' },
  // Parks: it is ambiguous whether the edit replaces or extends the details.
  { status: 'APPROVED', modifiedDetails: { amount: 1 }, decisionNote: 'Which order?' },
  { status: 'REJECTED', modifiedDetails: null, decisionNote: 'No.' },
  { status: 'EXPIRED', modifiedDetails: null, decisionNote: null },
)

async function track(model: Model, world: World, which: string): Promise<void> {
  const known = of(model, which)
  const now = world.time.elapsed()
  const added = await world.time.end(world.operator.track(which, { action: 'refund', details: original }))
  if (!added) return assert.ok(known.life > 0, `${which} was known before anybody registered it`)
  assert.ok(!known.open, `${which} was registered anew while it was open`)
  Object.assign(known, {
    life: known.life + 1,
    since: now,
    open: true,
    cancelledAt: null,
    retries: 0,
    parkedAt: null,
    recorded: null,
  })
}

/** A callback before the API shows the decision must not be lost in a long wait. */
async function expectSoon({ store }: World, which: string): Promise<void> {
  const shown = await kept(store, which)
  if (shown?.state === 'pending')
    assert.ok((shown.dueInMs ?? Number.NaN) <= minIntervalMs, `${which} is not polled again soon`)
}

export const often: readonly Drawn[] = [
  anyId.map((which) => command(`track ${which}`, (model, world) => track(model, world, which))),
  fc
    .record({
      which: anyId,
      on: anySide,
      claims: fc.constantFrom({}, { status: 'approved' }, { status: 'rejected', modifiedDetails: { amount: 1e6 } }),
    })
    .map(({ which, on, claims }) =>
      command(`callback ${which} at ${on} ${JSON.stringify(claims)}`, (model, world) => {
        const process = world.processes[on]
        const answered = process.callback(which, claims).then(async (answer) => {
          const meaning = readAnswer(answer)
          if (meaning === '202 undecided' && process.way.isSound) await expectSoon(world, which)
          if (of(model, which).life === 0 && !process.way.severed)
            assert.match(meaning, /^(404 unknown-approval|503 store-unavailable)$/)
        })
        return set(world, answered)
      }),
    ),
  fc.record({ which: anyId, verdict }).map(({ which, verdict: given }) =>
    command(`decide ${which} ${JSON.stringify(given)}`, (_, world) => {
      if (!world.verdicts.has(which)) world.verdicts.set(which, given)
    }),
  ),
  anySide.map((on) =>
    command(`sweep ${on}`, (_, world) => set(world, world.processes[on].receiver.reconcile({ limit: 8 }))),
  ),
  fc
    .constantFrom(1, 999, 2_000, 2_001, 8_000, 29_999, 30_000, 30_001, 60_000, 700_000, retentionMs)
    .map((ms) => command(`tick ${ms}`, (_, world) => world.time.live(ms))),
]

export const seldom: readonly Drawn[] = [
  fc
    .record({ which: anyId, verdict })
    .map(({ which, verdict: given }) =>
      command(`upstream flips ${which} to ${JSON.stringify(given)}`, (_, world) => world.verdicts.set(which, given)),
    ),
  fc.record({ which: anyId, on: anySide }).map(({ which, on }) =>
    command(`resolve ${which} at ${on}`, (model, world) => {
      of(model, which).manual.push(world.time.elapsed())
      return set(world, world.processes[on].receiver.resolve(which))
    }),
  ),
  anyId.map((which) =>
    command(`cancel ${which}`, async (model, world) => {
      const answer = await world.time.end(world.operator.cancel(which))
      const known = of(model, which)
      if (answer === 'unknown') assert.ok(!known.open, `${which} was lost`)
      if (answer === 'cancelled') Object.assign(known, { open: false, cancelledAt: world.time.elapsed() })
    }),
  ),
  anyId.map((which) => command(`the tombstone of ${which} is lost`, (_, world) => world.loseTombstone(which))),
  anyId.map((which) =>
    command(`retry ${which}`, async (model, world) => {
      if ((await world.time.end(world.operator.retry(which))) === 'pending') of(model, which).retries++
    }),
  ),
]
