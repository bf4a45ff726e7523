import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { expressCallback } from '../../adapters/express.js'
import {
  type ApprovedDecision,
  action,
  type Claim,
  type Client,
  createReceiver,
  type Decision,
  type JsonObject,
  type JsonValue,
  memoryStore,
  type Outcome,
  type Receiver,
  type Run,
  register,
  type StandardSchema,
  type Store,
  type TypedReceiver,
  toResponse,
  type VerifyOptions,
  verifyAndResolve,
} from '../../src/index.js'
import type { PostgresQuery, PostgresStore } from '../../src/stores/sql/postgres-store.js'
import type { SqliteStore } from '../../src/stores/sql/sqlite-store.js'

/*
 * Checked by the compiler: `npm run typecheck` fails where a type is another one, or a wrong use is taken.
 * What must not run, because it is wrong, stands in `unrun`.
 */

const apiKey = 'cq_live_test'
const onDecision = (): void => {}

function unrun(_use: () => unknown): void {}

describe('a decision', () => {
  it('has details only where it is approved', () => {
    createReceiver({
      apiKey,
      onDecision(decision, run) {
        expectTypeOf(decision).toEqualTypeOf<Decision>()
        expectTypeOf(run).toEqualTypeOf<Run>()
        expectTypeOf(decision.status).toEqualTypeOf<'approved' | 'rejected' | 'expired'>()
        // @ts-expect-error nobody may act on details before the status was looked at
        void decision.details
        // @ts-expect-error what changed is known of an approved decision only
        void decision.changedPaths
        if (decision.status === 'rejected') {
          // @ts-expect-error a rejected decision has no details
          void decision.details
          return
        }
        if (decision.status !== 'approved') return
        expectTypeOf(decision).toEqualTypeOf<ApprovedDecision>()
        expectTypeOf(decision.details).toEqualTypeOf<JsonObject>()
        expectTypeOf(decision.changedPaths).toEqualTypeOf<readonly string[]>()
      },
    })
  })

  it('has what was submitted and the edit as the unknown things that they are, and cannot be changed', () => {
    expectTypeOf<Decision['originalDetails']>().toEqualTypeOf<unknown>()
    expectTypeOf<Decision['modifiedDetails']>().toEqualTypeOf<JsonObject | null>()
    expectTypeOf<Decision['decidedAt']>().toEqualTypeOf<Date | null>()
    unrun(() => (decision: Decision) => {
      // @ts-expect-error a decision is not for changing
      decision.status = 'approved'
    })
  })
})

describe('an action', () => {
  it('gives its handler what its schema yields, not what it takes', () => {
    createReceiver({
      apiKey,
      actions: {
        process_refund: {
          details: z.object({ orderId: z.string(), amount: z.string().transform(Number) }),
          async onDecision(decision, run) {
            expectTypeOf(run).toEqualTypeOf<Run>()
            expectTypeOf(decision.context).toEqualTypeOf<JsonValue>()
            if (decision.status !== 'approved') return
            expectTypeOf(decision.details).toEqualTypeOf<{ orderId: string; amount: number }>()
            // @ts-expect-error a name that the schema does not know
            void decision.details.orderID
          },
        },
      },
    })
  })

  it('infers its own schemas, whichever library made them, beside others that infer theirs', () => {
    createReceiver({
      apiKey,
      actions: {
        refund: {
          details: z.object({ amount: z.number() }),
          onDecision: (decision) => {
            if (decision.status === 'approved') expectTypeOf(decision.details).toEqualTypeOf<{ amount: number }>()
            expectTypeOf(decision.context).toEqualTypeOf<JsonValue>()
          },
        },
        ship: {
          details: v.object({ to: v.string() }),
          context: z.object({ tenant: z.string() }),
          onDecision: async (decision) => {
            if (decision.status === 'approved') expectTypeOf(decision.details).toEqualTypeOf<{ to: string }>()
            expectTypeOf(decision.context).toEqualTypeOf<{ tenant: string }>()
          },
        },
        note: {
          context: v.object({ thread: v.pipe(v.string(), v.transform(Number)) }),
          onDecision(decision) {
            if (decision.status === 'approved') expectTypeOf(decision.details).toEqualTypeOf<JsonObject>()
            expectTypeOf(decision.context).toEqualTypeOf<{ thread: number }>()
          },
        },
        plain: {
          modifications: 'refuse',
          onDecision(decision) {
            expectTypeOf(decision).toEqualTypeOf<Decision>()
          },
        },
      },
      onDecision(decision) {
        expectTypeOf(decision).toEqualTypeOf<Decision>()
      },
    })
  })

  it('takes any Standard Schema, written by hand as well', () => {
    const details: StandardSchema<{ amount: string }, { pence: bigint }> = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: { pence: 1n } }) },
    }
    createReceiver({
      apiKey,
      actions: {
        refund: {
          details,
          onDecision(decision) {
            if (decision.status === 'approved') expectTypeOf(decision.details).toEqualTypeOf<{ pence: bigint }>()
          },
        },
      },
    })
  })

  it('takes a handler that was written elsewhere, with the types of the schema', () => {
    const details = z.object({ amount: z.number() })
    const handler = async (decision: Decision<z.output<typeof details>>, _run: Run): Promise<number> =>
      decision.status === 'approved' ? decision.details.amount : 0
    createReceiver({ apiKey, actions: { refund: { details, onDecision: handler } } })
    unrun(() =>
      createReceiver({
        apiKey,
        // @ts-expect-error the handler expects details that the schema does not yield
        actions: { refund: { details: z.object({ sum: z.number() }), onDecision: handler } },
      }),
    )
  })

  it('is refused where it is put together wrongly', () => {
    unrun(() => [
      // @ts-expect-error an action without a handler
      createReceiver({ apiKey, actions: { refund: { details: z.object({}) } } }),
      // @ts-expect-error a schema that is none
      createReceiver({ apiKey, actions: { refund: { details: { amount: 'number' }, onDecision } } }),
      // @ts-expect-error a policy that is none
      createReceiver({ apiKey, actions: { refund: { modifications: 'patch', onDecision } } }),
      // @ts-expect-error a name that no action has
      createReceiver({ apiKey, actions: { refund: { detail: z.object({}), onDecision } } }),
    ])
  })
})

describe('track and submit', () => {
  const receiver = createReceiver({
    apiKey,
    callbackUrl: 'https://app.test/hook',
    actions: {
      refund: { details: z.object({ amount: z.string().transform(Number) }), onDecision },
      ship: { details: v.object({ to: v.string() }), context: z.object({ tenant: z.string() }), onDecision },
    },
    onDecision,
  })
  const { track, submit } = receiver

  it('take what the schema of a known action takes', () => {
    unrun(() => [
      track('req_1', { action: 'refund', details: { amount: '120' } }),
      track('req_1', { action: 'refund', details: { amount: '120' }, context: ['anything'] }),
      submit({ action: 'refund', summary: 'Refund', details: { amount: '120' } }),
      // @ts-expect-error the output of the schema is not its input
      track('req_1', { action: 'refund', details: { amount: 120 } }),
      // @ts-expect-error the details of another action
      track('req_1', { action: 'refund', details: { to: 'Ada' } }),
      // @ts-expect-error no details at all
      track('req_1', { action: 'refund' }),
      // @ts-expect-error the output of the schema is not its input
      submit({ action: 'refund', summary: 'Refund', details: { amount: 120 } }),
      // @ts-expect-error no line for the reviewer
      submit({ action: 'refund', details: { amount: '120' } }),
    ])
  })

  it('demand the context of an action with a schema for it', () => {
    unrun(() => [
      track('req_1', { action: 'ship', details: { to: 'Ada' }, context: { tenant: 't1' } }),
      submit({ action: 'ship', summary: 'Ship', details: { to: 'Ada' } }, { context: { tenant: 't1' } }),
      // @ts-expect-error no context
      track('req_1', { action: 'ship', details: { to: 'Ada' } }),
      // @ts-expect-error another context
      track('req_1', { action: 'ship', details: { to: 'Ada' }, context: { tenant: 1 } }),
      // @ts-expect-error no context
      submit({ action: 'ship', summary: 'Ship', details: { to: 'Ada' } }),
      // @ts-expect-error another context
      submit({ action: 'ship', summary: 'Ship', details: { to: 'Ada' } }, { context: {} }),
    ])
  })

  it('take any object for an action without an entry, and for a name known at run time only', () => {
    interface Order {
      readonly id: string
    }
    const details: Order = { id: '8842' }
    const name: string = 'any'
    unrun(() => [
      track('req_1', { action: 'other', details }),
      track('req_1', { action: name, details, context: 7 }),
      submit({ action: 'other', summary: 'Other', details }),
      // @ts-expect-error details are an object
      track('req_1', { action: 'other', details: 'text' }),
      // @ts-expect-error details are an object
      submit({ action: 'other', summary: 'Other', details: 7 }),
    ])
  })

  it('have editors suggest the names of the actions', () => {
    type Submitted = Parameters<typeof submit>[0]['action']
    type TrackedName = Parameters<typeof track>[1]['action']
    // A name that is lost in `string` would be none of these.
    expectTypeOf<Extract<Submitted, 'refund' | 'ship'>>().toEqualTypeOf<'refund' | 'ship'>()
    expectTypeOf<Extract<TrackedName, 'refund' | 'ship'>>().toEqualTypeOf<'refund' | 'ship'>()
  })

  it('take any object where a receiver has one handler for all', () => {
    const { track } = createReceiver({ apiKey, onDecision })
    unrun(() => [
      track('req_1', { action: 'refund', details: { amount: 120 } }),
      // @ts-expect-error a name that nothing has
      track('req_1', { action: 'refund', details: {}, contxt: 1 }),
    ])
  })
})

describe('the options', () => {
  it('are refused where a name or a kind is wrong', () => {
    unrun(() => [
      // @ts-expect-error a name that is not known
      createReceiver({ apiKey, onDecision, callbacksecret: 'text' }),
      // @ts-expect-error a name that is not known, one level down
      createReceiver({ apiKey, onDecision, confirm: { timeout: 1 } }),
      // @ts-expect-error a text in the place of a number
      createReceiver({ apiKey, onDecision, retentionMs: '7 days' }),
      // @ts-expect-error a word that is none
      createReceiver({ apiKey, onDecision, sweep: 'always' }),
      // @ts-expect-error an object without methods in the place of a store
      createReceiver({ apiKey, onDecision, store: {} }),
    ])
  })

  it('may hold a key from the environment, which may be missing', () => {
    unrun(() => createReceiver({ apiKey: process.env['CHEQPOINT_CONNECTION_KEY'], onDecision }))
  })
})

describe('an action written apart from the receiver', () => {
  it('infers its schemas, and keeps them in the receiver', () => {
    const refund = action({
      details: z.object({ amount: z.number() }),
      onDecision(decision) {
        expectTypeOf(decision.context).toEqualTypeOf<JsonValue>()
        if (decision.status === 'approved') expectTypeOf(decision.details).toEqualTypeOf<{ amount: number }>()
      },
    })
    const ship = action({
      details: v.object({ to: v.string() }),
      context: z.object({ tenant: z.string() }),
      onDecision(decision) {
        expectTypeOf(decision.context).toEqualTypeOf<{ tenant: string }>()
      },
    })
    const note = action({ onDecision: (decision) => expectTypeOf(decision).toEqualTypeOf<Decision>() })
    unrun(() => {
      const receiver = createReceiver({ apiKey, actions: { refund, ship, note } })
      return [
        receiver.submit({ action: 'refund', summary: 'Refund', details: { amount: 120 } }),
        receiver.submit({ action: 'ship', summary: 'Ship', details: { to: 'Ada' } }, { context: { tenant: 't1' } }),
        receiver.submit({ action: 'note', summary: 'Note', details: { any: 1 } }),
        // @ts-expect-error details are an object
        receiver.submit({ action: 'note', summary: 'Note', details: 7 }),
        // @ts-expect-error other details than the schema takes
        receiver.submit({ action: 'refund', summary: 'Refund', details: { amount: '120' } }),
        // @ts-expect-error no context
        receiver.submit({ action: 'ship', summary: 'Ship', details: { to: 'Ada' } }),
      ]
    })
  })
})

describe('a receiver', () => {
  it('can be passed on as any receiver, whatever its actions', () => {
    const receiver = createReceiver({
      apiKey,
      actions: { refund: { details: z.object({ a: z.string() }), onDecision } },
    })
    expectTypeOf(receiver).toExtend<Receiver>()
    unrun(() => expressCallback(receiver))
    unrun(() => (any: Receiver) => {
      // @ts-expect-error what an action takes is known of a typed receiver only
      void any.submit
    })
  })

  it('made without schemas is a typed receiver with none', () => {
    expectTypeOf(createReceiver({ apiKey, onDecision })).toEqualTypeOf<TypedReceiver>()
  })
})

describe('a run, and a claim', () => {
  it('can be completed in a transaction of a SQL store', () => {
    unrun(() => (run: Run, claim: Claim, sqlite: SqliteStore, postgres: PostgresStore, query: PostgresQuery) => [
      sqlite.completeIn(run, { refunded: 1 }),
      sqlite.completeIn(claim),
      postgres.completeIn(run, query, { refunded: 1 }),
      postgres.completeIn(claim, query),
      // @ts-expect-error a transaction is missing
      postgres.completeIn(run),
      // @ts-expect-error not a run
      sqlite.completeIn('req_1'),
    ])
  })
})

describe('the core', () => {
  it('types its claim by the actions, and takes any of them without', () => {
    unrun(() => async (request: Request, store: Store, client: Client) => {
      const actions = {
        refund: { details: z.object({ amount: z.string().transform(Number) }) },
        ship: { details: v.object({ to: v.string() }), context: z.object({ tenant: z.string() }) },
      }
      const outcome = await verifyAndResolve(request, { store, client, actions })
      if (outcome.kind === 'ok') {
        const { decision } = outcome.claim
        if (decision.action === 'ship') expectTypeOf(decision.context).toEqualTypeOf<{ tenant: string }>()
        if (decision.action === 'refund' && decision.status === 'approved')
          expectTypeOf(decision.details).toEqualTypeOf<{ amount: number }>()
        // @ts-expect-error details exist on approved decisions only
        void decision.details
      }
      const plain = await verifyAndResolve(request, { store, client })
      if (plain.kind === 'ok') expectTypeOf(plain.claim.decision).toEqualTypeOf<Decision>()
      await register('req_1', { action: 'refund', details: { amount: '120' } }, { store, client, actions })
      // @ts-expect-error no input
      await verifyAndResolve({ store, client })
    })
  })
})

describe('an outcome', () => {
  it('is a closed union: a switch over its kinds needs no default', () => {
    type Result = Awaited<ReturnType<typeof verifyAndResolve>>
    expectTypeOf<Exclude<Result, { readonly kind: 'ok' }>>().toEqualTypeOf<Outcome>()
    expectTypeOf<string>().not.toExtend<Result['kind']>()
    expectTypeOf(toResponse).parameter(0).extract<Outcome>().toEqualTypeOf<Outcome>()
  })

  it('gives a claim only where it is ok', () => {
    unrun(() => (outcome: Awaited<ReturnType<typeof verifyAndResolve>>) => {
      // @ts-expect-error nothing may be completed before the kind was looked at
      void outcome.claim
      if (outcome.kind === 'ok') void outcome.claim.complete()
    })
  })

  it('of the core needs a store and a client', () => {
    unrun(() => [
      // @ts-expect-error no client
      { store: memoryStore() } satisfies VerifyOptions,
    ])
  })
})
