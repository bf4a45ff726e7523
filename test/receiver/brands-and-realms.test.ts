import vm from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheqpointError, isCheqpointError } from '../../src/index.js'
import { bench, refund } from '../support/receiver.js'
import { failure, submitBench } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The error class of another copy of this package in the same process. */
class OtherCopy extends Error {
  readonly code: string
  constructor(code: string) {
    super('from another copy')
    this.code = code
    Object.defineProperty(this, Symbol.for('cheqpoint-callback.error'), { value: true })
  }
}

describe('an error of another copy of this package', () => {
  it('is recognized, with its code', () => {
    const error: unknown = new OtherCopy('store-full')
    expect(error).not.toBeInstanceOf(CheqpointError)
    expect([isCheqpointError(error), isCheqpointError(error, 'store-full'), isCheqpointError(error, 'parked')]).toEqual(
      [true, true, false],
    )
  })

  it.each([null, undefined, 'store-full', { code: 'store-full' }, new Error('store-full')])(
    'is not an object that only has its fields: %s',
    (error) => {
      expect(isCheqpointError(error)).toBe(false)
    },
  )

  it('that has the brand of ours shows it nowhere', () => {
    const error = new CheqpointError('parked', 'it is parked')
    expect(Object.keys(error)).not.toContain('cheqpoint-callback.error')
    expect(JSON.stringify(error)).not.toContain('brand')
  })

  it('is recognized where a store of that copy throws it', async () => {
    const { receiver } = bench({
      store: {
        read: () => Promise.reject(new OtherCopy('store-unavailable')),
        write: async () => false,
        takeDue: async () => ({ keys: [], nextDueInMs: null }),
        list: async () => ({ items: [], cursor: null }),
        count: async () => ({ open: 0, parked: 0, overdueMs: 0 }),
        remove: async () => false,
      },
    })
    expect((await failure(receiver.track('req_1', refund))).code).toBe('store-unavailable')
  })
})

describe('values of another realm', () => {
  const realm = vm.createContext({})
  const made = <Value>(code: string): Value => vm.runInContext(code, realm)

  it('are details and context like any other', async () => {
    const { receiver, api, runs } = bench()
    const details: object = made('({ orderId: "8842", lines: [{ amount: 120 }], nothing: Object.create(null) })')
    await receiver.track('req_1', { action: 'refund', details, context: made('({ chat: 7 })') })
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(runs).toMatchObject([
      { decision: { details: { orderId: '8842', lines: [{ amount: 120 }], nothing: {} }, context: { chat: 7 } } },
    ])
  })

  it('are dates of expiry like any other', async () => {
    const { receiver, api } = submitBench()
    const expiresAt: Date = made(`new Date(${Date.now() + 60_000})`)
    expect(expiresAt).not.toBeInstanceOf(Date)
    await receiver.submit({ action: 'a', summary: 's', details: {} }, { expiresAt })
    expect(api.posts[0]?.body['expiresAt']).toBe(new Date(expiresAt.getTime()).toISOString())
  })

  it('are refused where they are no plain data there either', async () => {
    const { receiver } = bench()
    for (const code of ['({ at: new Date() })', '({ map: new Map() })', 'class A {}; ({ a: new A() })']) {
      const error = await failure(receiver.track('req_1', { action: 'a', details: made<object>(code) }))
      expect(error.code).toBe('not-json')
    }
  })

  it('are errors that are reported as they are', async () => {
    const error: unknown = made('new TypeError("from elsewhere")')
    const { receiver, api, events } = bench({ onDecision: () => Promise.reject(error) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    const failed = events.find(({ type }) => type === 'run-failed')
    expect(failed).toMatchObject({ error })
    expect(JSON.stringify(failed)).toContain('from elsewhere')
  })
})
