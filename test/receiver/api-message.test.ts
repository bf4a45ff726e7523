import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failure, refund, submitBench } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the message of Cheqpoint about a refused submission', () => {
  it.each([
    ['its message', { message: 'Plan limit reached', error: 'limit' }, 'Plan limit reached'],
    ['its error, where there is no message', { error: 'summary is required' }, 'summary is required'],
    ['the text, where that is no JSON', 'Too many requests', 'Too many requests'],
  ])('is in error.apiMessage: %s', async (_words, body, expected) => {
    const { receiver, api } = submitBench()
    api.onPost = () => ({ status: 422, body })
    expect(await failure(receiver.submit(refund))).toMatchObject({ code: 'submission-refused', apiMessage: expected })
  })

  it('is at most 200 characters, on one line, and without a key', async () => {
    const { receiver, api } = submitBench()
    api.onPost = () => ({ status: 401, body: { message: `key cq_live_CANARY\n\u001b[31mis wrong ${'x'.repeat(300)}` } })
    const { apiMessage = '', message } = await failure(receiver.submit(refund))
    expect(apiMessage).not.toContain('CANARY')
    expect(apiMessage).toContain('cq_live_…')
    expect(apiMessage).not.toContain('\n')
    expect(apiMessage.replaceAll(/\\u\{\w+\}/g, '?').length).toBeLessThanOrEqual(200)
    expect(message).not.toContain('xxx')
  })

  it('is absent where it comes with more than 4 KiB', async () => {
    const { receiver, api } = submitBench()
    api.onPost = () => ({ status: 422, body: { message: 'Plan limit reached', more: 'x'.repeat(5_000) } })
    expect((await failure(receiver.submit(refund))).apiMessage).toBeUndefined()
  })

  it('is absent from an empty response', async () => {
    const { receiver, api } = submitBench()
    api.onPost = () => ({ status: 400, body: '' })
    expect((await failure(receiver.submit(refund))).apiMessage).toBeUndefined()
  })
})
