import { describe, expect, it } from 'vitest'
import { type ConfirmedDecision, readConfirmed } from '../../../src/model/confirmed-decision.js'

const recorded: ConfirmedDecision = {
  status: 'approved',
  modifiedDetails: { amount: 90 },
  note: 'less',
  decidedAt: '2026-11-20T10:00:00Z',
  via: 'callback',
}

describe('a recorded decision', () => {
  it('is read as it was written', () => {
    expect(readConfirmed(JSON.parse(JSON.stringify(recorded)))).toEqual(recorded)
    const bare: ConfirmedDecision = {
      status: 'expired',
      modifiedDetails: null,
      note: null,
      decidedAt: null,
      via: 'poll',
    }
    expect(readConfirmed(JSON.parse(JSON.stringify(bare)))).toEqual(bare)
  })

  it.each([
    ['a text', 'approved'],
    ['a list', []],
    ['nothing', null],
    ['a status that is never recorded', { ...recorded, status: 'pending' }],
    ['a status as the API writes it', { ...recorded, status: 'APPROVED' }],
    ['no status', { ...recorded, status: undefined }],
    ['an edit that is a text', { ...recorded, modifiedDetails: 'amount: 90' }],
    ['an edit that is a list', { ...recorded, modifiedDetails: [90] }],
    ['no word of an edit', { ...recorded, modifiedDetails: undefined }],
    ['a note that is no text', { ...recorded, note: { text: 'less' } }],
    ['a date that is no text', { ...recorded, decidedAt: 0 }],
    ['a trigger that is none', { ...recorded, via: 'rumour' }],
  ])('that is damaged never becomes a decision: %s', (_words, damaged) => {
    expect(readConfirmed(damaged)).toBeNull()
  })
})
