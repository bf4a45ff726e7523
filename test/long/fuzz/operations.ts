import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CheqpointError, errorCodes, isCheqpointError } from '../../../src/index.js'
import { readAnswer } from './answers.js'
import type { FuzzBench } from './bench.js'

/*
 * All operations of a receiver, and their allowed results with a faulty store.
 */

export type Operation =
  | 'callback'
  | 'resolve'
  | 'reconcile'
  | 'track'
  | 'submit'
  | 'wait'
  | 'parked'
  | 'unconfirmed'
  | 'retry'
  | 'cancel'
  | 'discard'
  | 'stats'

/** Operations that find decisions are more frequent than reads. */
const drawn: readonly Operation[] = [
  ...(['callback', 'callback', 'callback', 'resolve', 'resolve', 'reconcile', 'track', 'submit', 'wait'] as const),
  ...(['parked', 'unconfirmed', 'retry', 'cancel', 'discard', 'stats'] as const),
]

export const operationList: fc.Arbitrary<readonly Operation[]> = fc.array(fc.constantFrom(...drawn), {
  minLength: 1,
  maxLength: 3,
})

const id = 'req_1'
const waitMs = 20_000

/** Executes an operation. Resolves with its result as a word; throws if the result is not allowed. */
export async function operate(
  operation: Operation,
  { receiver, time, handle }: Pick<FuzzBench, 'receiver' | 'time' | 'handle'>,
): Promise<string> {
  if (operation === 'callback')
    return readAnswer(await handle({ body: { parsed: { approvalId: id, status: 'approved' } } }))
  try {
    return read(operation, await time.end(asked(operation, receiver)))
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    assert.ok(isCheqpointError(error), `${operation} rejects without a code: ${String(error)}`)
    assert.ok(Object.hasOwn(errorCodes, error.code))
    return error.code
  }
}

function asked(operation: Exclude<Operation, 'callback'>, receiver: FuzzBench['receiver']): Promise<unknown> {
  const details = { orderId: '8842', amount: 120 }
  switch (operation) {
    case 'track':
      return receiver.track('req_2', { action: 'refund', details })
    case 'submit':
      return receiver.submit({ action: 'refund', summary: 'Refund', details }, { idempotencyKey: 'once' })
    case 'wait':
      return receiver.wait(id, { timeoutMs: waitMs })
    case 'reconcile':
      return receiver.reconcile({ limit: 5, timeoutMs: 10_000 })
    case 'parked':
      return receiver.parked({ limit: 2 })
    case 'unconfirmed':
      return receiver.unconfirmed({ limit: 2 })
    case 'discard':
      return receiver.discard('ref_1')
    case 'stats':
      return receiver.stats()
    case 'resolve':
    case 'retry':
    case 'cancel':
      return receiver[operation](id)
  }
}

const words: Readonly<Record<string, readonly string[]>> = {
  retry: ['pending', 'not-parked', 'unknown'],
  cancel: ['cancelled', 'in-progress', 'completed', 'unknown'],
  discard: ['discarded', 'bound', 'unknown'],
}
const statuses: readonly unknown[] = ['approved', 'rejected', 'expired', 'cancelled', 'pending']
const kinds: readonly unknown[] = [
  ...[
    'handled',
    'completed',
    'edit-refused',
    'parked',
    'running',
    'handler-failed',
    'in-progress',
    'over-budget',
    'too-soon',
    'awaiting-id',
  ],
  ...[
    'undecided',
    'api-throttled',
    'api-failed',
    'api-key-refused',
    'assistant-unknown',
    'no-handler',
    'no-free-slot',
    'store-unavailable',
  ],
  ...['unknown-approval', 'token-refused', 'closing'],
]

function read(operation: Exclude<Operation, 'callback'>, value: unknown): string {
  const fields: Readonly<Record<string, unknown>> = Object(value)
  switch (operation) {
    case 'track':
      assert.equal(typeof value, 'boolean', 'what track answers')
      return String(value)
    case 'resolve':
      assert.ok(kinds.includes(fields['kind']), `what resolve answers: ${String(fields['kind'])}`)
      return String(fields['kind'])
    case 'submit':
    case 'wait':
      assert.ok(statuses.includes(fields['status']), `a status of ${operation}: ${String(fields['status'])}`)
      return String(fields['status'])
    case 'reconcile':
    case 'stats':
      for (const each of Object.values(fields))
        assert.ok(
          each === null || typeof each === 'boolean' || Number.isFinite(each),
          `a number of ${operation}: ${String(each)}`,
        )
      return 'numbers'
    case 'parked':
    case 'unconfirmed':
      assert.ok(Array.isArray(fields['items']))
      return 'page'
    case 'retry':
    case 'cancel':
    case 'discard':
      assert.ok(words[operation]?.includes(String(value)), `what ${operation} answers: ${String(value)}`)
      return String(value)
  }
}

/** Thrown values: errors with and without a code, and values that are not errors. */
export const anyError: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      new Error('read ECONNRESET'),
      new TypeError('x is not a function'),
      new RangeError('Maximum call stack size exceeded'),
    ],
    ...[undefined, null, 'text', 0, Symbol('s'), {}, Object.create(null)],
    new CheqpointError('store-unavailable', 'down'),
    new CheqpointError('store-full', 'full'),
    Object.freeze(new Error('frozen')),
  ),
  fc.anything(),
)
