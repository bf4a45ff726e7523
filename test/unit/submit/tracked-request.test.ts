import { describe, expect, it } from 'vitest'
import { type Tracked, writeRequest } from '../../../src/submit/tracked-request.js'
import { thrown } from '../../support/thrown.js'

const now = Date.parse('2026-11-20T10:00:00.000Z')
const day = 86_400_000
const defaultExpiry = now + 7 * day
const limits = (assistants: ReadonlySet<string> | null = null) => ({
  ...{ assistants, now, expiresAfterMs: 7 * day, maxDetailsBytes: 262_144 },
})
const tracked: Tracked = { action: 'process_refund', details: { orderId: '8842', amount: 120 } }

function draftError(parts: Readonly<Record<string, unknown>>, assistants: ReadonlySet<string> | null = null) {
  // Wrong types on purpose: callers without TypeScript exist.
  return thrown(() => writeRequest({ ...tracked, ...parts } as Tracked, limits(assistants)))
}

describe('a draft', () => {
  it('keeps the request as JSON, with defaults for what was not given', () => {
    expect(writeRequest(tracked, limits())).toEqual({
      ref: null,
      action: 'process_refund',
      assistant: null,
      expiresAt: defaultExpiry,
      expiresAfterMs: 7 * day,
      details: '{"orderId":"8842","amount":120}',
      context: 'null',
    })
  })

  it('keeps everything that was given', () => {
    const expiresAt = new Date('2026-11-21T10:00:00.000Z')
    const said = { ...tracked, context: { tenant: 't1' }, expiresAt, assistant: 'billing', ref: 'ref_1' }
    expect(writeRequest(said, limits(new Set(['billing'])))).toMatchObject({
      ref: 'ref_1',
      assistant: 'billing',
      expiresAt: expiresAt.getTime(),
      context: '{"tenant":"t1"}',
    })
  })

  it('does not change with the objects that it was made of', () => {
    const details = { amount: 120 }
    const draft = writeRequest({ ...tracked, details }, limits())
    details.amount = 1
    expect(draft.details).toBe('{"amount":120}')
  })

  it.each([
    ['action', ''],
    ['action', 7],
    ['action', undefined],
    ['details', undefined],
    ['details', null],
    ['details', 'text'],
    ['details', [1]],
    ['expiresAt', '2026-11-21'],
    ['expiresAt', Number.NaN],
    ['expiresAt', new Date(Number.NaN)],
    ['expiresAt', null],
    ['expiresAt', new Date(now)],
    ['expiresAt', new Date(now / 1000 + 3600)],
  ])('is refused with %s as %j', (name, value) => {
    const [code, message] = draftError({ [name]: value })
    expect(code).toBe('argument-invalid')
    expect(message).toContain(`${name} must be `)
  })

  it('needs an assistant where keys are by assistant, and names those', () => {
    const [code, message] = draftError({}, new Set(['billing', 'support']))
    expect(code).toBe('argument-invalid')
    expect(message).toBe('assistant must be one of billing, support')
  })

  it('takes no assistant where there is one key for all', () => {
    expect(draftError({ assistant: 'billing' })[0]).toBe('argument-invalid')
  })

  it('knows no assistant without a key', () => {
    expect(draftError({ assistant: 'toString' }, new Set(['billing']))[0]).toBe('assistant-unknown')
  })
})
