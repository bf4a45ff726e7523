import assert from 'node:assert/strict'
import { type Kept, kept } from '../../../support/kept.js'
import { type Known, type Model, of } from './model.js'
import { longestDueMs, maxAttempts, minIntervalMs, original, type Start, type Verdict, type World } from './world.js'

/*
 * The promises of the README and of the store contract, checked against the ledger and the store.
 */

/** Throws if a promise is broken. Called after every command. */
export async function checkPromises(model: Model, world: World): Promise<void> {
  for (const [id, known] of model.ids) {
    if (known.life === 0) continue
    const starts = world.starts.filter((start) => start.id === id && start.at >= known.since)
    checkStarts(id, starts, known, world)
    const shown = await kept(world.store, id)
    await checkRecord(id, shown, model, world)
    checkQuestions(id, known, world)
  }
}

function checkStarts(id: string, starts: readonly Start[], { since, cancelledAt, retries }: Known, world: World): void {
  const done = world.done.filter((each) => each.id === id && each.at >= since)
  assert.ok(done.length <= 1, `${id} was completed ${done.length} times`)
  const most = world.guarantee === 'at-most-once' ? 1 + retries : maxAttempts * (1 + retries)
  assert.ok(starts.length <= most, `${id} was started ${starts.length} times`)
  const [first] = starts
  for (const [at, start] of starts.entries()) {
    const { decision, run } = start
    const before = starts[at - 1]
    if (before !== undefined) assert.ok(run.fence > before.run.fence, `the fence of ${id} did not rise`)
    assert.deepEqual(withoutVia(start), first && withoutVia(first), `${id} ran with two decisions`)
    assert.equal(run.idempotencyKey, `cheqpoint:${id}`)
    if (done[0] !== undefined) assert.ok(start.at <= done[0].at, `${id} ran after it was completed`)
    if (cancelledAt !== null) assert.ok(start.at <= cancelledAt, `${id} ran after it was cancelled`)
    const told = world.said.filter((each) => each.id === id && each.at >= since && each.at <= start.at)
    assert.ok(
      told.some(({ verdict }) => agrees(decision, verdict)),
      `${id} ran as ${decision.status}, which the API never said`,
    )
  }
  const running = starts.filter(
    ({ ended, run, process }) => ended === null && !run.signal.aborted && !process.way.severed,
  )
  assert.ok(running.length <= 1, `${id} is run by ${running.length} processes that think they hold it`)
}

function withoutVia({ decision }: Start): object {
  return { ...decision, via: null }
}

/** Whether a decision matches the API: status, edit, note, and the resulting details. */
function agrees({ status, modifiedDetails, note, ...rest }: Start['decision'], verdict: Verdict): boolean {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
  const details = 'details' in rest ? rest.details : null
  return (
    status === verdict.status.toLowerCase() &&
    same(modifiedDetails, verdict.modifiedDetails) &&
    note === verdict.decisionNote &&
    (status !== 'approved' || same(details, verdict.modifiedDetails ?? original))
  )
}

async function checkRecord(id: string, shown: Kept | null, model: Model, world: World): Promise<void> {
  const known = of(model, id)
  if (shown === null) return assert.ok(!known.open, `${id} was lost`)
  if ('outcome' in shown) {
    if (known.open && shown.outcome !== 'cancelled') {
      const returned = world.starts.some(
        (start) => start.id === id && start.at >= known.since && start.ended === 'returned',
      )
      assert.ok(returned, `${id} is completed, and no run of it returned`)
    }
    known.open = false
    return
  }
  assert.ok(known.open, `${id} came back`)
  const recorded = shown.decision === null ? null : JSON.stringify(shown.decision)
  if (known.recorded !== null) assert.equal(recorded, known.recorded, `the recorded decision of ${id} changed`)
  known.recorded = recorded
  if (shown.state === 'parked') {
    known.parkedAt = known.retries
    return
  }
  assert.notEqual(known.parkedAt, known.retries, `${id} left its parking place by itself`)
  const { dueInMs } = shown
  assert.ok(dueInMs !== null && dueInMs <= longestDueMs, `${id} is due in ${dueInMs} ms`)
  const { nextDueInMs: next } = await world.store.takeDue(0, 1)
  assert.ok(next !== null && next <= Math.max(dueInMs, 0), `${id} is not in the due index`)
}

/** At most one GET per approval and minimum interval, except polls by hand. */
function checkQuestions(id: string, { manual, since }: Known, world: World): void {
  const times = world.questions.filter((each) => each.id === id && each.at >= since).map(({ at }) => at)
  for (const [index, at] of times.entries()) {
    const before = times[index - 1]
    if (before === undefined || at - before >= minIntervalMs) continue
    assert.ok(
      manual.some((each) => each >= before && each <= at),
      `${id} was asked for twice within ${at - before} ms`,
    )
  }
}
