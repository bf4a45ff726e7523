import assert from 'node:assert/strict'
import fc from 'fast-check'
import { memoryStore, type Store } from '../../../src/index.js'
import { FuzzBench } from './bench.js'
import { anyError, operate, operationList } from './operations.js'
import { type Property, property } from './property.js'
import { register } from './registered.js'
import { json } from './upstream.js'

/** What a call of the store does instead of what it should. */
type Fault =
  | { readonly how: 'none' | 'hangs' }
  | { readonly how: 'rejects' | 'throws'; readonly error: unknown }
  | { readonly how: 'answers' | 'answers at once'; readonly value: unknown }
  /** The true answer, with one value in it replaced. */
  | { readonly how: 'tampers'; readonly at: number; readonly value: unknown }

/** Answers that some method gives, so that they are near to those of others, and answers that none gives. */
const answer: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      undefined,
      null,
      '',
      'lost',
      'done',
      'extended',
      'released',
      'parked',
      'knocked',
      'unknown',
      'foreign',
      'bound',
      'held',
    ],
    ...[
      [],
      {},
      [null],
      [{}],
      [{ kind: 'approval' }],
      [{ kind: 'approval', id: 'req_1' }],
      [{ kind: 'reservation', ref: 5 }],
    ],
    ...[
      { kind: 'unknown' },
      { kind: 'claimed' },
      { kind: 'claimed', record: null },
      { kind: 'claimed', record: {}, fence: 1 },
    ],
    ...[
      { kind: 'done' },
      { kind: 'done', tombstone: {} },
      { kind: 'held' },
      { kind: 'too-soon', inMs: Number.NaN },
      { kind: 'bound' },
    ],
    ...[
      { kind: 'sealed' },
      { kind: 'sealed', sealed: 'x', starts: -1 },
      { kind: 'parked' },
      { kind: 'reserved' },
      { kind: 'open' },
    ],
    ...[
      { state: 'done' },
      { state: 'done', tombstone: { outcome: 'approved', result: '{' } },
      { state: 'parked' },
      { state: 'pending' },
    ],
    ...[
      { state: 'pending', dueInMs: -1, record: {} },
      { items: [] },
      { items: [{}], cursor: null },
      { items: 5 },
      { open: 'x' },
    ],
  ),
  fc.anything(),
)

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 16, arbitrary: fc.constant<Fault>({ how: 'none' }) },
  { weight: 1, arbitrary: fc.constant<Fault>({ how: 'hangs' }) },
  { weight: 2, arbitrary: fc.record({ how: fc.constantFrom('rejects' as const, 'throws' as const), error: anyError }) },
  {
    weight: 3,
    arbitrary: fc.record({ how: fc.constantFrom('answers' as const, 'answers at once' as const), value: answer }),
  },
)

/** A store may fail in any way: what it is asked for ends, with an answer of the table or a coded error. */
export const storeFaults: Property = property({
  name: 'store',
  says: 'whatever a store does, nothing escapes, nothing hangs, and nothing runs that the API did not confirm',
  sees: [
    ...['callback: 200 handled', 'callback: 503 store-unavailable', 'callback: 202 over-budget', 'resolve: handled'],
    ...['wait: approved', 'wait: wait-timeout', 'submit: pending', 'submit: submission-unknown', 'track: store-answer'],
  ],
  arbitrary: fc.record({
    faults: fc.array(fault, { minLength: 1, maxLength: 8 }),
    operations: operationList,
    registers: fc.constantFrom('record', 'record', 'record', 'damaged', 'done', 'parked', 'reservation', 'nothing'),
    api: fc.constantFrom('APPROVED', 'REJECTED', 'PENDING', 'down'),
    tight: fc.boolean(),
  }),
  open() {
    const roomy = new FuzzBench()
    // A callback of which the API cannot be asked goes another way.
    const tight = new FuzzBench({ confirm: { requestsPerSecond: 0.001 } }, roomy.time)
    return {
      async judge({ faults, operations, registers, api, tight: isTight }, note) {
        const bench = isTight ? tight : roomy
        const sound = memoryStore({ clock: bench.time })
        const { upstream, runs, inner, receiver } = bench.begin(sound)
        if (registers === 'record' || registers === 'parked') await register(inner, 'req_1')
        if (registers === 'reservation') await inner.reserve('ref_1', draft, { dueInMs: 0 })
        if (registers === 'damaged') await register(inner, 'req_1', { details: '{', context: '[' })
        if (registers === 'done') await finish(inner)
        if (registers === 'parked') {
          await inner.claim('req_1', 'x', 1_000, {})
          await inner.park('req_1', 'x', 'adopted', '')
        }
        upstream.answer = () => (api === 'down' ? json({}, 503) : json({ id: 'req_1', status: api }))
        let calls = 0
        bench.inner = faulty(sound, () => (calls < faultyCalls && faults[calls++ % faults.length]) || none)
        // One call after the other, so that what one leaves behind is the next one's.
        for (const operation of operations)
          note(
            `${operation}: ${await operate(operation, { receiver, time: bench.time, handle: (sent) => bench.handle(sent) })}`,
          )
        for (const { decision } of runs) {
          assert.ok(decision.status !== 'approved' || api === 'APPROVED', 'an approval that nobody gave')
        }
        bench.inner = sound
        // What a call that hung leaves behind ends when its time is up.
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
/** Every outage ends: a completion is written again until it does. */
const faultyCalls = 24
const draft = { ref: 'ref_1', action: 'refund', assistant: null, expiresAt: null, details: '{}', context: 'null' }

/** A submission that is over, and whose result was damaged since. */
async function finish(store: Store): Promise<void> {
  await register(store, 'req_1')
  await store.claim('req_1', 'x', 1_000, {})
  await store.seal('req_1', 'x', '{"status":')
  await store.complete('req_1', 'x', { outcome: 'rejected', result: '{"a":' }, 86_400_000)
}

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
