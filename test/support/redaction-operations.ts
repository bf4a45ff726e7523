import type { Store } from '../../src/index.js'
import { canaries, id } from './answers-bench.js'
import { storeError } from './answers-situations.js'
import { nudgeNow } from './approval-snapshot.js'
import { type Act, meanwhile, submit, track, verdict } from './redaction-act.js'
import type { RedactionBench } from './redaction-bench.js'

const waits: readonly Act[] = [
  {
    name: 'wait for a decision with everything in it',
    options: { onDecision: () => ({ receipt: canaries.result }) },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      await bench.receiver.resolve(id)
      await bench.receiver.wait(id)
    },
  },
  {
    name: 'wait too long',
    ends: 'wait-timeout',
    async run(bench) {
      await track(bench)
      await meanwhile(bench, bench.receiver.wait(id, { timeoutMs: 2_000 }), 2_000)
    },
  },
  {
    name: 'wait, and give up for a reason',
    ends: 'aborted',
    async run(bench) {
      await track(bench)
      const controller = new AbortController()
      const waiting = meanwhile(bench, bench.receiver.wait(id, { signal: controller.signal }), 0)
      controller.abort(new Error(canaries.context))
      await waiting
    },
  },
  {
    name: 'wait for what is unknown',
    ends: 'approval-unknown',
    run: (bench) => meanwhile(bench, bench.receiver.wait(id), 0),
  },
  {
    name: 'wait for what is parked',
    ends: 'parked',
    async run(bench) {
      await track(bench)
      bench.api.approve(id, { decisionNote: canaries.note, modifiedDetails: { amount: canaries.edit } })
      await bench.receiver.resolve(id)
      await bench.receiver.parked()
      await meanwhile(bench, bench.receiver.wait(id), 0)
    },
  },
  {
    name: 'wait until the receiver is closed',
    ends: 'receiver-closed',
    async run(bench) {
      await track(bench)
      const waiting = bench.receiver.wait(id)
      const ended = meanwhile(bench, waiting, 1_000)
      await bench.pass(0)
      await bench.receiver.close({ drainMs: 0 })
      await ended
    },
  },
  {
    name: 'wait while the store fails',
    ends: 'wait-timeout',
    async run(bench) {
      await track(bench)
      bench.faulty.failWith(storeError(), 'read')
      await meanwhile(bench, bench.receiver.wait(id, { timeoutMs: 2_000 }), 2_000)
    },
  },
]

/** Replaces the stored result by one that is not JSON. */
async function damageResult({ store }: RedactionBench): Promise<void> {
  const { entry } = await store.read(`a:${id}`)
  if (entry === null) throw new Error('there is no tombstone')
  const state = { ...entry.state, result: canaries.result }
  await store.write(`a:${id}`, entry.stamp, { ...entry, stamp: 'damaged', state }, { keepMs: 3_600_000 })
}

const results: readonly Act[] = [
  {
    name: 'wait for a result that is damaged',
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id)
      await bench.receiver.resolve(id)
      await damageResult(bench)
      await meanwhile(bench, bench.receiver.wait(id, { timeoutMs: 2_000 }), 2_000)
    },
  },
  {
    name: 'submit again what has a result that is damaged',
    ends: null,
    async run(bench) {
      await submit(bench, {}, { idempotencyKey: 'step 1' })
      bench.api.approve(id)
      await bench.receiver.resolve(id)
      await damageResult(bench)
      await submit(bench, {}, { idempotencyKey: 'step 1' })
    },
  },
]

const failing: readonly (readonly [keyof Store, string, Act['run']])[] = [
  ['read', 'track', track],
  ['check', 'start', ({ receiver }) => receiver.start()],
  ['takeDue', 'reconcile', ({ receiver }) => receiver.reconcile()],
  ['list', 'parked', ({ receiver }) => receiver.parked()],
  ['list', 'unconfirmed', ({ receiver }) => receiver.unconfirmed()],
  ['read', 'retry', ({ receiver }) => receiver.retry(id)],
  ['read', 'cancel', ({ receiver }) => receiver.cancel(id)],
  ['read', 'discard', ({ receiver }) => receiver.discard('a-reference')],
  ['count', 'stats', ({ receiver }) => receiver.stats()],
]

/** Runs once in the handler of the operation below. */
const whenRunning: (() => void)[] = []

const byHand: readonly Act[] = [
  ...failing.map(
    ([method, name, run]): Act => ({
      name: `${name} while the store fails`,
      ends: 'store-unavailable',
      run(bench) {
        bench.faulty.failWith(storeError(), method)
        return run(bench)
      },
    }),
  ),
  {
    name: 'resolve while the store fails',
    ends: null,
    async run(bench) {
      await track(bench)
      bench.faulty.failWith(storeError(), 'read')
      await bench.receiver.resolve(id)
    },
  },
  {
    name: 'resolve, while the handler throws and the store fails to take that down',
    options: {
      onDecision() {
        whenRunning.shift()?.()
        throw new Error(canaries.handlerError)
      },
    },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      whenRunning.push(() => bench.faulty.failWith(storeError(), 'write'))
      await bench.receiver.resolve(id)
    },
  },
  {
    name: 'cancel what was decided and did not run',
    options: { onDecision: () => Promise.reject(new Error(canaries.handlerError)) },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      await bench.receiver.resolve(id)
      await bench.receiver.cancel(id)
      await bench.receiver.wait(id)
    },
  },
  {
    name: 'retry what is parked, and resolve it again',
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, { decisionNote: canaries.note, modifiedDetails: { amount: canaries.edit } })
      await bench.receiver.resolve(id)
      await bench.receiver.retry(id)
      await bench.receiver.resolve(id)
    },
  },
  {
    name: 'reconcile, and the handler throws several errors in one',
    options: { onDecision: () => Promise.reject(severalErrors()) },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      await nudgeNow(bench.store, id)
      await bench.receiver.reconcile()
    },
  },
  {
    name: 'reconcile, and the handler throws what is no error',
    options: { onDecision: () => Promise.reject({ text: canaries.handlerError }) },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      await nudgeNow(bench.store, id)
      await bench.receiver.reconcile()
    },
  },
  {
    name: 'resolve, and the result is too long to be kept',
    options: { onDecision: () => canaries.result.repeat(2_000) },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      await bench.receiver.resolve(id)
    },
  },
  {
    name: 'close while a handler runs, which then throws',
    options: {
      onDecision: (_, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error(canaries.handlerError)))),
    },
    ends: null,
    async run(bench) {
      await track(bench)
      bench.api.approve(id, verdict)
      const running = bench.receiver.resolve(id)
      await bench.pass(0)
      await meanwhile(bench, bench.receiver.close({ drainMs: 0 }), 2_000)
      await running
    },
  },
]

function severalErrors(): AggregateError {
  const cause = new Error(canaries.handlerError)
  const errors = [new Error(canaries.handlerError), { text: canaries.handlerError }]
  return new AggregateError(errors, canaries.handlerError, { cause })
}

/** Operations by hand, by a schedule, or by a waiting agent. */
export const operations: readonly Act[] = [...waits, ...results, ...byHand]
