import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Decision, Run } from '../../../src/index.js'
import { kept } from '../../support/kept.js'
import { readAnswer } from './answers.js'
import { apiAnswer, epochMs, maxResponseBytes } from './api-answers.js'
import { type Asked, type Expected, type Meaning, meaningOf, type Policy, passesSchema, same } from './api-oracle.js'
import { FuzzBench, origin } from './bench.js'
import { type Property, property } from './property.js'
import { register } from './registered.js'

const hour = 3_600_000
const originals = [
  '{"orderId":"8842","amount":120}',
  '{"amount":120,"__proto__":{"x":1},"more":{"a":1,"b":[2]}}',
  '{}',
] as const
const policies: readonly Policy[] = ['none', 'replace', 'merge', 'refuse', 'schema']

const schema = {
  '~standard': {
    version: 1,
    vendor: 'fuzz',
    validate: (value: unknown) =>
      passesSchema(value) ? { value } : { issues: [{ message: 'amount', path: ['amount'] }] },
  },
} as const

/** A response of the API runs the handler with its data, or does not run it. */
export const getAnswers: Property = property({
  name: 'answers',
  says: 'the handler runs if and only if a readable response for this approval decides it, with the data of that response',
  sees: [
    'runs approved',
    'runs rejected',
    'runs expired',
    'undecided',
    'unusable',
    'throttled',
    'key-refused',
    'parks',
  ],
  arbitrary: fc.record({
    answer: apiAnswer,
    policy: fc.constantFrom(...policies),
    original: fc.constantFrom(...originals),
    expiresInMs: fc.constantFrom(hour, hour, 30 * 24 * hour, 30 * 24 * hour, -hour, -25 * hour),
    /** The error of the process's clock, which must have no effect. */
    skewMs: fc.constantFrom(0, 0, -40 * 24 * hour, 40 * 24 * hour),
    via: fc.constantFrom('callback', 'callback', 'callback', 'manual', 'manual', 'poll'),
    spoils: fc.boolean(),
  }),
  open() {
    const onDecision = (decision: Decision, run: Run): unknown => bench.record(decision, run)
    const bench: FuzzBench = new FuzzBench({
      confirm: { maxResponseBytes },
      // `none` has no entry: the fallback handler gets it.
      actions: {
        replace: { modifications: 'replace', onDecision },
        merge: { modifications: 'merge', onDecision },
        refuse: { modifications: 'refuse', onDecision },
        schema: { details: schema, onDecision },
      },
    })
    // The process has been running for longer than an unreachable API may be down.
    bench.time.pass(2 * hour)
    return {
      async judge({ answer, policy, original, expiresInMs, skewMs, via, spoils }, note) {
        const { upstream, inner, time, receiver, events, runs } = bench.begin()
        time.setNow(epochMs + skewMs)
        const expiresAt = epochMs + expiresInMs
        // Its minimum life is an hour, which has passed.
        const ageMs = Math.max(0, hour - expiresInMs)
        const lifetime = { expiresAt, expiresAfterMs: expiresInMs + ageMs, ageMs }
        await register(inner, 'req_1', { action: policy, details: original, ...lifetime })
        upstream.answer = () => answer
        const given: Decision[] = []
        bench.onDecision = (decision) => {
          given.push(spoils ? structuredClone(decision) : decision)
          if (spoils) spoil(decision)
        }
        const asked = {
          id: 'req_1',
          original: JSON.parse(original) as Asked['original'],
          policy,
          expiresAt,
          now: epochMs,
        }
        const meaning = meaningOf(answer, asked)
        note(meaning.kind === 'runs' ? `runs ${meaning.decision.status}` : meaning.kind)

        if (via === 'manual') await time.end(receiver.resolve('req_1'))
        else if (via === 'poll') {
          time.pass(15_000)
          await time.end(receiver.reconcile())
        } else {
          const claims = meaning.kind === 'runs' ? claimsOf(meaning.decision) : {}
          const word = readAnswer(await bench.handle({ body: { parsed: { approvalId: 'req_1', ...claims } } }))
          assert.equal(word, answerTo(meaning))
          assert.deepEqual(
            events.filter(({ type }) => type === 'mismatch'),
            [],
          )
        }
        assert.deepEqual(upstream.asked, [`GET ${origin}/api/approvals/req_1`])
        const left = await kept(inner, 'req_1')
        assert.equal(runs.length, meaning.kind === 'runs' ? 1 : 0)
        if (meaning.kind === 'parks')
          return assert.ok(left?.state === 'parked' && 'parked' in left && left.parked?.reason === meaning.reason)
        if (meaning.kind !== 'runs') return assert.equal(left?.state, 'pending')
        checkDecision(given[0], meaning.decision, asked)
        assert.ok(left?.state === 'completed' && 'outcome' in left && left.outcome === meaning.decision.status)
        assert.ok(same(left.decision?.modifiedDetails, meaning.decision.modifiedDetails), 'what is remembered')
      },
      close: () => bench.close(),
    }
  },
})

function answerTo(meaning: Meaning): string {
  switch (meaning.kind) {
    case 'runs':
      return '200 handled'
    case 'parks':
      // Without an edit, nothing is refused.
      return meaning.reason === 'unconfirmed' || meaning.reason === 'details-invalid'
        ? '202 parked'
        : '200 edit-refused'
    case 'unusable':
      return '202 api-failed'
    case 'throttled':
      return '202 api-throttled'
    case 'key-refused':
      return '202 api-key-refused'
    case 'undecided':
      return '202 undecided'
  }
}

/** The claims of a truthful callback. */
function claimsOf({ status, modifiedDetails, note }: Expected): object {
  return { status, modifiedDetails, decisionNote: note }
}

function checkDecision(decision: Decision | undefined, expected: Expected, { original, policy }: Asked): void {
  assert.ok(decision !== undefined)
  assert.equal(decision.status, expected.status)
  assert.deepEqual([decision.approvalId, decision.action, decision.context], ['req_1', policy, null])
  assert.ok(same(decision.originalDetails, original), 'the original')
  assert.ok(same(decision.modifiedDetails, expected.modifiedDetails), 'the edit')
  assert.equal(decision.note, expected.note)
  assert.equal(decision.decidedAt?.getTime() ?? null, expected.decidedAt)
  assert.equal('details' in decision, decision.status === 'approved')
  if (decision.status !== 'approved') return
  assert.ok(same(decision.details, expected.details), 'what may be done')
  assert.equal(decision.changedPaths.length > 0, !same(original, expected.details), 'what was changed')
}

/** Changes the given values, as a careless handler does. */
function spoil(decision: object): void {
  for (const value of Object.values(decision)) {
    if (typeof value !== 'object' || value === null) continue
    for (const key of Object.keys(value)) Reflect.set(value, key, 'spoilt')
    Reflect.set(value, 'spoilt', true)
  }
}
