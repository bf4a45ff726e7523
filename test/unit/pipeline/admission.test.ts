import { describe, expect, it } from 'vitest'
import { add } from '../../../src/approvals/approval.js'
import type { OpenApproval } from '../../../src/approvals/entry.js'
import { Admission } from '../../../src/pipeline/admission.js'
import { Budget, Pauses, Slots, Turns } from '../../../src/pipeline/budget.js'
import type { PipelineContext, Trigger } from '../../../src/pipeline/context.js'
import { approved, beginning, nothing, request } from '../approvals/samples.js'

const clock = { now: () => 0, elapsed: () => 0 }
// A step of `add` to nothing writes an open approval.
const pending = add(nothing, { request: { ...request, assistant: null }, beginning }).next?.state as OpenApproval
const recorded: OpenApproval = { ...pending, decision: approved }

const bySweep: Trigger = { approvalId: 'req_1', via: 'poll' }
const byCallback: Trigger = { approvalId: 'req_1', via: 'callback' }
const byPerson: Trigger = { approvalId: 'req_1', via: 'manual' }

/** What an admission uses of its process: two places and one token of each kind. */
function world() {
  const callbackBudget = new Budget(1, clock)
  const turns = new Turns(new Budget(1, clock), clock)
  const context = {
    actions: new Map(),
    fallback: {},
    client: { assistants: null },
    life: { isClosing: false, isStopped: false, isSwept: true },
    running: new Set(),
    random: () => 0.5,
    pauses: new Pauses(clock),
    polls: new Slots(2),
    handlers: new Slots(2),
    callbackBudget,
    turns,
  }
  // The rest of a context is not used here.
  return {
    ...context,
    admissionOf: (trigger: Trigger) => new Admission(trigger, context as unknown as PipelineContext),
  }
}

describe('an approval that is admitted again, because another writer was faster', () => {
  it('has the place for its handler already', () => {
    const { admissionOf, handlers } = world()
    const admission = admissionOf(bySweep)
    expect([admission.admit(recorded), admission.admit(recorded)]).toEqual([null, null])
    expect(handlers.free).toBe(1)
    admission.end()
    expect(handlers.free).toBe(2)
  })

  it.each([bySweep, byCallback])('has its place for the poll and its token already: $via', (trigger) => {
    const { admissionOf, polls } = world()
    const admission = admissionOf(trigger)
    expect([admission.admit(pending), admission.admit(pending)]).toEqual([null, null])
    expect(polls.free).toBe(1)
  })

  it.each([bySweep, byCallback])('needs neither once its decision is recorded: $via', (trigger) => {
    const { admissionOf, polls, handlers } = world()
    const admission = admissionOf(trigger)
    expect([admission.admit(pending), admission.admit(recorded)]).toEqual([null, null])
    expect([polls.free, handlers.free]).toEqual([2, 1])
    expect(admissionOf({ ...trigger, approvalId: 'req_2' }).admit(pending)).toBeNull()
    admission.end()
    expect([polls.free, handlers.free]).toEqual([1, 2])
  })
})

describe('the end of an admission', () => {
  it('gives each place back once, however often it comes', () => {
    const { admissionOf, polls, handlers } = world()
    const others = [admissionOf(byPerson), admissionOf(byPerson)]
    others[0]?.admit(pending)
    others[1]?.admit(recorded)
    const admission = admissionOf(byPerson)
    admission.admit(pending)
    admission.takeHandlerSlot()
    admission.endPoll()
    admission.end()
    admission.end()
    expect([polls.free, handlers.free]).toEqual([1, 1])
  })

  it.each([bySweep, byCallback])('gives the token back that was not spent: $via', (trigger) => {
    const { admissionOf } = world()
    const unused = admissionOf(trigger)
    unused.admit(pending)
    unused.end()
    const used = admissionOf({ ...trigger, approvalId: 'req_2' })
    expect(used.admit(pending)).toBeNull()
    used.spend()
    used.end()
    expect(admissionOf({ ...trigger, approvalId: 'req_3' }).admit(pending)?.outcome.kind).toBe('over-budget')
  })
})

it('a recorded decision needs a place for its handler, and none for a poll', () => {
  const { admissionOf, polls, handlers } = world()
  polls.take()
  polls.take()
  handlers.take()
  expect(admissionOf(bySweep).admit(recorded)).toBeNull()
  expect(admissionOf(bySweep).admit(recorded)).toMatchObject({ outcome: { kind: 'no-free-slot' }, write: 'nothing' })
})

it('a person pays nothing', () => {
  const { admissionOf, callbackBudget, turns } = world()
  callbackBudget.take(null)
  turns.take('req_0', null)
  expect(admissionOf(byPerson).admit(pending)).toBeNull()
  expect(callbackBudget.take(null)).toBe(1_000)
})

it('a callback that finds no place for its poll is a nudge, and a poll writes nothing', () => {
  const { admissionOf, polls } = world()
  polls.take()
  polls.take()
  expect(admissionOf(byCallback).admit(pending)).toMatchObject({ outcome: { kind: 'no-free-slot' }, write: 'nudge' })
  expect(admissionOf(bySweep).admit(pending)).toMatchObject({ outcome: { kind: 'no-free-slot' }, write: 'nothing' })
})
