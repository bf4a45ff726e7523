import { describe, expect, it } from 'vitest'
import {
  type ConfirmedDecision,
  readConfirmed,
  showConfirmed,
  writeConfirmed,
} from '../../../src/model/confirmed-decision.js'

const sealed: ConfirmedDecision = {
  status: 'approved',
  modifiedDetails: { amount: 90 },
  note: 'less',
  decidedAt: '2026-11-20T10:00:00Z',
  via: 'callback',
}

describe('a sealed decision', () => {
  it('is read as it was written', () => {
    expect(readConfirmed(writeConfirmed(sealed))).toEqual(sealed)
    const bare: ConfirmedDecision = {
      status: 'expired',
      modifiedDetails: null,
      note: null,
      decidedAt: null,
      via: 'poll',
    }
    expect(readConfirmed(writeConfirmed(bare))).toEqual(bare)
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
    expect(() => readConfirmed(text)).toThrow()
    expect(showConfirmed(text)).toBeNull()
  })
})
