import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Store } from '../../../src/index.js'
import { redisStore, type SendCommand } from '../../../src/stores/redis/redis-store.js'
import { FuzzBench } from './bench.js'
import { operate, operationList } from './operations.js'
import { type Property, property } from './property.js'
import { oddItem, redisError, type SoundReply, scriptNames, soundReply, type Written } from './redis-reply-texts.js'
import { json } from './upstream.js'

/** The change of a reply before the store gets it. */
type Damage =
  | { readonly how: 'none' | 'hangs' | 'digits as text' | 'wrapped' }
  | { readonly how: 'item'; readonly at: number; readonly item: unknown }
  | { readonly how: 'cut' | 'doubled'; readonly at: number }
  | { readonly how: 'instead'; readonly item: unknown }
  | { readonly how: 'rejects' | 'throws' | 'error as a value'; readonly error: unknown }

interface Step {
  readonly choice: number
  readonly damage: Damage
}

const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 24, arbitrary: fc.constantFrom<Damage>({ how: 'none' }, { how: 'none' }, { how: 'digits as text' }) },
  { weight: 6, arbitrary: fc.record({ how: fc.constant('item' as const), at: fc.nat(), item: oddItem }) },
  { weight: 3, arbitrary: fc.record({ how: fc.constantFrom('cut' as const, 'doubled' as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ how: fc.constant('instead' as const), item: oddItem }) },
  {
    weight: 2,
    arbitrary: fc.record({
      how: fc.constantFrom('rejects' as const, 'throws' as const, 'error as a value' as const),
      error: redisError,
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Damage>({ how: 'hangs' }, { how: 'wrapped' }) },
)

/** More commands than this in one case mean an endless loop. */
const mostCommands = 2_000

/** For every reply of Redis, its client or a proxy, the store returns a valid result or a coded error. */
export const redisReplies: Property = property({
  name: 'redis',
  says: 'with any result of sendCommand, no error escapes, nothing hangs, and nothing runs that the API did not confirm',
  sees: [
    ...[
      'callback: 200 handled',
      'callback: 503 store-unavailable',
      'resolve: handled',
      'submit: pending',
      'wait: rejected',
    ],
    ...['track: store-response', 'stats: store-unsuitable', 'parked: page', 'unconfirmed: store-unavailable'],
  ],
  arbitrary: fc.record({
    steps: fc.array(fc.record<Step>({ choice: fc.nat(20), damage }), { minLength: 1, maxLength: 8 }),
    operations: operationList,
    api: fc.constantFrom('APPROVED', 'REJECTED', 'PENDING', 'down'),
    partitions: fc.constantFrom(1, 1, 3),
    minReplicas: fc.constantFrom(0, 0, 1),
    checks: fc.nat(9).map((n) => n === 0),
  }),
  open() {
    const bench = new FuzzBench()
    // A store has no state except its options: four stores serve all cases.
    const stores = new Map<string, Store>()
    let sendCommand: SendCommand = () => Promise.reject(new Error('no case yet'))
    const storeOf = (partitions: number, minReplicas: number): Store => {
      const key = `${partitions} ${minReplicas}`
      const store =
        stores.get(key) ?? redisStore({ partitions, minReplicas, sendCommand: (...given) => sendCommand(...given) })
      stores.set(key, store)
      return store
    }
    return {
      async judge({ steps, operations, api, partitions, minReplicas, checks }, note) {
        const { upstream, runs, time, receiver } = bench.begin()
        upstream.answer = () => (api === 'down' ? json({}, 503) : json({ id: 'req_1', status: api }))
        let commands = 0
        const written: Written = new Map()
        sendCommand = (args) => {
          assert.ok(
            args.every((arg) => typeof arg === 'string'),
            'a command holds nothing but text',
          )
          // The outage ends, since a completion is repeated until the store accepts or refuses it.
          if (++commands > mostCommands) return new Promise(() => {})
          return damaged(args, commands > 60 ? last : (steps[commands % steps.length] ?? last), written)
        }
        const store = storeOf(partitions, minReplicas)
        bench.inner = store
        if (checks) await time.end(Promise.resolve(store.check?.())).catch(() => {})
        for (const operation of operations) {
          const handle = bench.handle.bind(bench)
          note(`${operation}: ${await operate(operation, { receiver, time, handle })}`)
        }
        assert.ok(commands <= mostCommands, 'commands without an end')
        for (const { decision } of runs) {
          assert.ok(decision.status !== 'approved' || api === 'APPROVED', 'an approval that nobody gave')
        }
        // The work of a hanging command ends at its time-out.
        await time.live(steps.some((step) => step.damage.how === 'hangs') ? 100_000 : 0)
      },
      close: () => bench.close(),
    }
  },
})

const last: Step = { choice: 1, damage: { how: 'none' } }

function damaged(
  [command, sha = '', ...operands]: readonly string[],
  { choice, damage: done }: Step,
  written: Written,
): Promise<unknown> {
  const reply: SoundReply =
    command === 'EVALSHA'
      ? soundReply(scriptNames.get(sha) ?? '', operands, choice, written)
      : command === 'EVAL'
        ? ['lost']
        : 1
  const items = typeof reply === 'object' ? [...reply] : [reply]
  switch (done.how) {
    case 'none':
      return Promise.resolve(reply)
    case 'hangs':
      return new Promise(() => {})
    case 'digits as text':
      return Promise.resolve(items.map((item) => (typeof item === 'number' ? String(item) : item)))
    case 'wrapped':
      return Promise.resolve([reply])
    case 'item':
      return Promise.resolve(items.toSpliced(done.at % items.length, 1, done.item))
    case 'cut':
      return Promise.resolve(items.slice(0, done.at % items.length))
    case 'doubled':
      return Promise.resolve(items.toSpliced(done.at % items.length, 0, items[done.at % items.length]))
    case 'instead':
      return Promise.resolve(done.item)
    case 'error as a value':
      return Promise.resolve(done.error instanceof Error ? done.error : new Error('x'))
    case 'rejects':
      return Promise.reject(done.error)
    case 'throws':
      throw done.error
  }
}
