import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type ConfirmedDecision, memoryStore, type Store } from '../../../src/index.js'
import { FuzzBench } from './bench.js'
import { anyError, operate, operationList } from './operations.js'
import { type Property, property } from './property.js'
import { register, registerCompleted, registerParked, registerReference } from './registered.js'
import { json } from './upstream.js'

/** The fault of a store call. */
type Fault =
  | { readonly how: 'none' | 'hangs' }
  | { readonly how: 'rejects' | 'throws'; readonly error: unknown }
  | { readonly how: 'answers' | 'answers at once'; readonly value: unknown }
  /** The correct result with one value replaced. */
  | { readonly how: 'tampers'; readonly at: number; readonly value: unknown }

/** Results that some method returns, and results that no method returns. */
const answer: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[undefined, null, '', 'OK', 0, 1, true, false, [], {}, [null], [{}]],
    ...[
      { now: 1 },
      { now: 1, entry: null },
      { now: Number.NaN, entry: null },
      { entry: null },
      { now: '1', entry: null },
    ],
    ...[
      { now: 1, entry: null, unreadable: 'digest' },
      { now: 1, entry: null, unreadable: 5 },
      { now: 1, entry: {} },
    ],
    ...[entry({}), entry({ v: 2, kind: 'open' }), entry({ kind: 'open' }), entry([])],
    ...[entry({ kind: 'completed', holder: 'x', action: '', outcome: 'approved', until: 0, result: '{' })],
    ...[entry({ kind: 'bound', id: 'req_1' }), entry({ kind: 'discarded' }), entry({ kind: 'reserved' })],
    ...[entry({ kind: 'binding', id: 5 }), entry({ kind: '__proto__' })],
    ...[
      { keys: [], nextDueInMs: null },
      { keys: ['a:req_1'], nextDueInMs: 0 },
      { keys: ['r:ref_1', 'x', ''], nextDueInMs: -1 },
    ],
    ...[
      { keys: [5], nextDueInMs: 0 },
      { keys: 'a:req_1', nextDueInMs: 0 },
      { keys: [], nextDueInMs: 'soon' },
      { keys: [] },
    ],
    ...[{ items: [], cursor: null }, { items: [{}], cursor: null }, { items: 5 }, { items: [null], cursor: 5 }],
    ...[{ items: [{ key: 'a:req_1', entry: null }], cursor: 'x' }, { items: [{ key: 5, entry: {} }] }],
    ...[{ open: 'x' }, { open: 0, parked: 0, overdueMs: 0 }, { open: 0, parked: 0, overdueMs: Number.NaN }],
  ),
  fc.anything(),
)

function entry(state: unknown): object {
  return { now: 1, entry: { stamp: 's', dueAt: 1, parkedAt: null, state } }
}

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 16, arbitrary: fc.constant<Fault>({ how: 'none' }) },
  { weight: 1, arbitrary: fc.constant<Fault>({ how: 'hangs' }) },
  { weight: 2, arbitrary: fc.record({ how: fc.constantFrom('rejects' as const, 'throws' as const), error: anyError }) },
  {
    weight: 3,
    arbitrary: fc.record({ how: fc.constantFrom('answers' as const, 'answers at once' as const), value: answer }),
  },
)

/** With any fault of the store, every operation ends, with a response of the table or a coded error. */
export const storeFaults: Property = property({
  name: 'store',
  says: 'with any fault of the store, no error escapes, nothing hangs, and nothing runs that the API did not confirm',
  sees: [
    ...['callback: 200 handled', 'callback: 503 store-unavailable', 'callback: 202 over-budget', 'resolve: handled'],
    ...[
      'wait: approved',
      'wait: wait-timeout',
      'submit: pending',
      'submit: submission-unknown',
      'track: store-response',
    ],
  ],
  arbitrary: fc.record({
    faults: fc.array(fault, { minLength: 1, maxLength: 8 }),
    operations: operationList,
    registers: fc.constantFrom(
      'record',
      'record',
      'record',
      'damaged',
      'completed',
      'parked',
      'reservation',
      'nothing',
    ),
    api: fc.constantFrom('APPROVED', 'REJECTED', 'PENDING', 'down'),
    tight: fc.boolean(),
  }),
  open() {
    const roomy = new FuzzBench()
    // A callback takes another path if the API is unreachable.
    const tight = new FuzzBench({ confirm: { requestsPerSecond: 0.001 } }, roomy.time)
    return {
      async judge({ faults, operations, registers, api, tight: isTight }, note) {
        const bench = isTight ? tight : roomy
        const sound = memoryStore({ clock: bench.time })
        const { upstream, runs, inner, receiver } = bench.begin(sound)
        if (registers === 'record') await register(inner, 'req_1')
        if (registers === 'reservation') await registerReference(inner, 'ref_1', 0)
        if (registers === 'damaged') await register(inner, 'req_1', { details: '{', context: '[' })
        // Its decision and result were damaged afterwards.
        if (registers === 'completed') await registerCompleted(inner, 'req_1', damagedDecision, '{"a":')
        if (registers === 'parked') await registerParked(inner, 'req_1')
        upstream.answer = () => (api === 'down' ? json({}, 503) : json({ id: 'req_1', status: api }))
        let calls = 0
        bench.inner = faulty(sound, () => (calls < faultyCalls && faults[calls++ % faults.length]) || none)
        // Sequential, so that the effects of one call reach the next.
        for (const operation of operations)
          note(
            `${operation}: ${await operate(operation, { receiver, time: bench.time, handle: (sent) => bench.handle(sent) })}`,
          )
        for (const { decision } of runs) {
          assert.ok(decision.status !== 'approved' || api === 'APPROVED', 'an approval that nobody gave')
        }
        bench.inner = sound
        // The work of a hanging call ends at its time-out.
        await bench.time.live(faults.some(({ how }) => how === 'hangs') ? 100_000 : 0)
      },
      async close() {
        await tight.close()
        await roomy.close()
      },
    }
  },
})

const none: Fault = { how: 'none' }
/** Ends the outage, since a completion is repeated until then. */
const faultyCalls = 24
const damagedDecision = { status: 'rejected' } as ConfirmedDecision

function faulty(store: Store, next: () => Fault): Store {
  return new Proxy(store, {
    get(target, name) {
      const call: unknown = Reflect.get(target, name)
      if (typeof call !== 'function') return call
      return (...given: readonly unknown[]): unknown => {
        const chosen = next()
        switch (chosen.how) {
          case 'none':
            return Reflect.apply(call, target, given)
          case 'hangs':
            return new Promise(() => {})
          case 'rejects':
            return Promise.reject(chosen.error)
          case 'throws':
            throw chosen.error
          case 'tampers':
            return Promise.resolve(Reflect.apply(call, target, given)).then((answer) => tampered(answer, chosen))
          case 'answers':
            return Promise.resolve(chosen.value)
          case 'answers at once':
            return chosen.value
        }
      }
    },
  })
}

function tampered(answer: unknown, { at, value }: Extract<Fault, { how: 'tampers' }>): unknown {
  const copy: unknown = structuredClone(answer)
  const places = placesIn(copy)
  const place = places[at % places.length]
  if (place === undefined) return value
  Reflect.set(place.owner, place.key, value)
  return copy
}

function placesIn(value: unknown): readonly { readonly owner: object; readonly key: string }[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => [{ owner: value, key }, ...placesIn(each)])
}
