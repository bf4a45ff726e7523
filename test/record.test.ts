import { describe, expect, it } from 'vitest'
import { readSealed, type Sealed, showSealed, writeSealed } from '../src/record.js'

const sealed: Sealed = {
  status: 'approved',
  modifiedDetails: { amount: 90 },
  note: 'less',
  decidedAt: '2026-11-20T10:00:00Z',
  via: 'callback',
}

describe('a sealed decision', () => {
  it('is read as it was written', () => {
    expect(readSealed(writeSealed(sealed))).toEqual(sealed)
    const bare: Sealed = { status: 'expired', modifiedDetails: null, note: null, decidedAt: null, via: 'poll' }
    expect(readSealed(writeSealed(bare))).toEqual(bare)
  })

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['nothing', 'null'],
    ['a status that nobody seals', { ...sealed, status: 'pending' }],
    ['a status as the API writes it', { ...sealed, status: 'APPROVED' }],
    ['no status', { ...sealed, status: undefined }],
    ['an edit that is a text', { ...sealed, modifiedDetails: 'amount: 90' }],
    ['an edit that is a list', { ...sealed, modifiedDetails: [90] }],
    ['no word of an edit', { ...sealed, modifiedDetails: undefined }],
    ['a note that is no text', { ...sealed, note: { text: 'less' } }],
    ['a date that is no text', { ...sealed, decidedAt: 0 }],
    ['a trigger that is none', { ...sealed, via: 'rumour' }],
  ])('that is damaged never becomes a decision: %s', (_words, damaged) => {
    const text = typeof damaged === 'string' ? damaged : JSON.stringify(damaged)
    expect(() => readSealed(text)).toThrow()
    expect(showSealed(text)).toBeNull()
  })
})
