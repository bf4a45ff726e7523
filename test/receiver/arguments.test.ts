import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TypedReceiver } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { FaultyStore } from '../support/runs-store.js'
import { failure, SubmitApi, submitBench, tracked } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const request = { action: 'a', summary: 's', details: {} }
const ids: readonly unknown[] = [undefined, null, 7, '', '..', 'a/b', {}, ['req_1']]
const numbers: readonly unknown[] = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, {}]
const groups: readonly unknown[] = [null, 7, 'text', [], { unknown: 1 }]
const callback = { method: 'POST', url: '/', header: () => [], body: { parsed: {} } }
/** What `header` of a callback that was made by hand may return in place of a list of texts. */
const wrongHeaders: readonly ((name: string) => unknown)[] = [
  (name) => (name === 'user-agent' ? ['Cheqpoint-Callback/1.0'] : undefined),
  () => 'Cheqpoint-Callback/1.0',
  () => undefined,
  () => null,
  () => [undefined],
]
/** `null` counts as none. */
const handleOptions: readonly unknown[] = [
  ...groups.slice(1),
  { waitUntl: () => {} },
  ...[7, 'text', {}, null].map((waitUntil) => ({ waitUntil })),
]

type Method = keyof TypedReceiver
/** Method, the arguments to give, and the code that they are refused with. */
const rows: readonly (readonly [Method, readonly (readonly unknown[])[], string])[] = [
  ...(['resolve', 'retry', 'cancel', 'wait'] as const).map(
    (method) => [method, ids.map((id) => [id]), 'id-invalid'] as const,
  ),
  ['track', ids.map((id) => [id, tracked]), 'id-invalid'],
  ['track', [undefined, ...groups].map((given) => ['req_1', given]), 'argument-invalid'],
  ['track', [{}, { action: 7, details: {} }, { action: 'a' }].map((given) => ['req_1', given]), 'argument-invalid'],
  ['track', ['ref with space', '', 7, 'x'.repeat(65)].map((ref) => ['req_1', { ...tracked, ref }]), 'argument-invalid'],
  ['track', ['2026', 7, new Date('x')].map((expiresAt) => ['req_1', { ...tracked, expiresAt }]), 'argument-invalid'],
  ['submit', [undefined, ...groups].map((given) => [given]), 'argument-invalid'],
  ['submit', groups.map((given) => [request, given]), 'argument-invalid'],
  ['submit', ['', 7, {}, null].map((summary) => [{ ...request, summary }]), 'argument-invalid'],
  ['submit', ['', 7, {}, null].map((idempotencyKey) => [request, { idempotencyKey }]), 'argument-invalid'],
  ['submit', numbers.map((maxWaitMs) => [request, { maxWaitMs }]), 'argument-invalid'],
  ['submit', ['callbackUrl', 'expiresAt', 'maxWaitMs'].map((name) => [{ ...request, [name]: 1 }]), 'argument-invalid'],
  ['wait', groups.map((given) => ['req_1', given]), 'argument-invalid'],
  ['wait', numbers.map((timeoutMs) => ['req_1', { timeoutMs }]), 'argument-invalid'],
  ['wait', [{}, 7, null, new AbortController()].map((signal) => ['req_1', { signal }]), 'argument-invalid'],
  ['reconcile', groups.map((given) => [given]), 'argument-invalid'],
  ['reconcile', [...numbers, 0].map((limit) => [{ limit }]), 'argument-invalid'],
  ['reconcile', numbers.map((timeoutMs) => [{ timeoutMs }]), 'argument-invalid'],
  ['reconcile', [[{ signal: {} }]], 'argument-invalid'],
  ...(['parked', 'unconfirmed'] as const).flatMap(
    (method) =>
      [
        [method, groups.map((given) => [given]), 'argument-invalid'],
        [method, [...numbers, 0, 1_001].map((limit) => [{ limit }]), 'argument-invalid'],
        [method, [7, {}, null].map((cursor) => [{ cursor }]), 'argument-invalid'],
      ] as const,
  ),
  ['discard', [undefined, null, 7, '', {}].map((ref) => [ref]), 'argument-invalid'],
  ['start', [...groups, { unref: 1 }, { unref: 'yes' }].map((given) => [given]), 'argument-invalid'],
  ['close', groups.map((given) => [given]), 'argument-invalid'],
  ['close', numbers.map((drainMs) => [{ drainMs }]), 'argument-invalid'],
  ['callbackUrl', groups.map((given) => [given]), 'argument-invalid'],
  ['callbackUrl', [[{ assistant: 'unknown' }], [{ assistant: 7 }]], 'argument-invalid'],
  ['handle', [undefined, null, 7, {}, 'text'].map((given) => [given]), 'argument-invalid'],
  ['handle', [{}, { text: '{}' }].map((body) => [{ ...callback, body }]), 'argument-invalid'],
  ['handle', wrongHeaders.map((header) => [{ ...callback, header }]), 'argument-invalid'],
  [
    'handle',
    wrongHeaders.map((header) => [{ ...callback, method: 'GET', header, body: { stream: null } }]),
    'argument-invalid',
  ],
  ['handle', handleOptions.map((given) => [callback, given]), 'argument-invalid'],
  ['fetch', [undefined, null, 7, {}, 'https://app.test'].map((given) => [given]), 'argument-invalid'],
]

describe.each(rows)('%s()', (method, all, code) => {
  it(`refuses with ${code}, without a store or API call: ${all.map(shown).join(' ')}`, async () => {
    for (const args of all) {
      const faulty = new FaultyStore()
      const { receiver, api } = submitBench(
        { store: faulty.store, callbackUrl: 'https://app.test/hook' },
        new SubmitApi(),
      )
      // What the types rule out, plain JavaScript may send.
      const call = receiver[method] as (...given: readonly unknown[]) => unknown
      const error = await failure((async () => call(...args))())
      expect(error.code, shown(args)).toBe(code)
      expect(faulty.calls.filter(({ method: called }) => called !== 'check')).toEqual([])
      expect(api.gets).toEqual([])
    }
  })
})

/** Arguments as the name of a test. */
function shown(args: readonly unknown[]): string {
  return args
    .map((arg) => (typeof arg === 'object' && arg !== null ? JSON.stringify(arg) : String(arg)))
    .join(', ')
    .slice(0, 60)
}

describe('a wrong call', () => {
  it('of handle() with a Request names the right one', async () => {
    const { receiver } = submitBench()
    // A mistake that TypeScript finds, and JavaScript does not.
    const given = callbackRequest('req_1') as unknown as Parameters<typeof receiver.handle>[0]
    expect((await failure(receiver.handle(given))).message).toContain('receiver.fetch(request)')
  })

  it('of fetch() with a context of Hono or a request of node:http names the right one', async () => {
    const { receiver } = submitBench()
    // The same.
    const given = { req: { raw: callbackRequest('req_1') } } as unknown as Request
    const { message } = await failure(receiver.fetch(given))
    expect(message).toContain('c.req.raw')
    expect(message).toContain('fromIncoming(request)')
  })

  it('with a whole submission, or one that was not awaited, says what it was', async () => {
    const { receiver } = submitBench()
    const submitted = receiver.submit(request)
    // The same.
    const wait = receiver.wait as (given: unknown) => Promise<unknown>
    expect((await failure(wait(submitted))).message).toContain('it was a promise; await it')
    expect((await failure(wait(await submitted))).message).toContain('it was of type object')
    expect((await failure(wait(null))).message).toContain('it was of type null')
    expect((await failure(wait('a/b'))).message).toBe('the approval id does not match idPattern')
  })

  it('of handle() with a header that is no list says what header() returns', async () => {
    const { receiver } = submitBench()
    // The same.
    const given = { ...callback, header: () => 'text' as unknown as readonly string[] }
    const message = "header('user-agent') of a callback must be a list of the header's values, empty if it was not sent"
    expect((await failure(receiver.handle(given))).message).toContain(message)
    expect((await receiver.stats()).inFlight).toBe(0)
  })

  it('with a misspelt name suggests the right one', async () => {
    const { receiver } = submitBench()
    // The same.
    const options = { timeoutMS: 5 } as object
    expect((await failure(receiver.wait('req_1', options))).message).toContain('did you mean timeoutMs?')
    const late = { waitUntl: () => {} } as object
    expect((await failure(receiver.handle(callback, late))).message).toContain('did you mean waitUntil?')
  })

  it('does not count: the receiver works as before', async () => {
    const { receiver } = submitBench()
    await failure(receiver.close({ drainMs: -1 }))
    expect(await receiver.track('req_1', tracked)).toBe(true)
  })
})
