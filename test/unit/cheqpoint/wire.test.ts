import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contradictions, parseApproval, parseCallback } from '../../../src/cheqpoint/wire.js'
import { readDate } from '../../../src/util/dates.js'
import { maxDepth, parseJson, sameJson } from '../../../src/util/json.js'

/** Every documented answer of the API and every older shape of it, and what each means. */
const answers: readonly (readonly [name: string, wire: object, meaning: object])[] = [
  [
    'of the create endpoint',
    { id: 'req_abc123', status: 'PENDING' },
    { id: 'req_abc123', status: 'pending', word: 'PENDING', modifiedDetails: null, note: null, decidedAt: null },
  ],
  [
    'of an approved GET',
    {
      id: 'req_abc123',
      status: 'APPROVED',
      modifiedDetails: null,
      decisionNote: 'Looks good',
      decidedAt: '2025-03-18T14:32:00.000Z',
    },
    {
      id: 'req_abc123',
      status: 'approved',
      word: 'APPROVED',
      modifiedDetails: null,
      note: 'Looks good',
      decidedAt: '2025-03-18T14:32:00.000Z',
    },
  ],
  [
    'decided inline',
    { status: 'approved', approvalId: 'req_abc123', modifiedDetails: null },
    { id: 'req_abc123', status: 'approved', word: 'approved', reviewUrl: null },
  ],
  [
    'decided inline, as the integration samples show it: without an id',
    { status: 'rejected', modifiedDetails: null, decisionNote: 'Too much' },
    { id: null, status: 'rejected', note: 'Too much' },
  ],
  [
    'still pending, with a page for the reviewer',
    { status: 'pending', approvalId: 'req_abc123', reviewUrl: 'https://app.cheqpoint.co/review/1' },
    { id: 'req_abc123', status: 'pending', reviewUrl: 'https://app.cheqpoint.co/review/1' },
  ],
  [
    'of the older inbound endpoint',
    { id: 'req_abc123', status: 'PENDING' },
    { id: 'req_abc123', status: 'pending', reviewUrl: null },
  ],
  [
    'with details of its own, as the Python sample reads them',
    { status: 'approved', approvalId: 'req_abc123', details: { amount: 500 }, modifiedDetails: null },
    { id: 'req_abc123', status: 'approved', modifiedDetails: null },
  ],
  ['with both names for the id', { id: 'req_1', approvalId: 'req_1', status: 'APPROVED' }, { id: 'req_1' }],
]

describe('a response', () => {
  for (const [name, wire, meaning] of answers) {
    it(`${name} is understood`, () => {
      expect(parseApproval(wire)).toMatchObject(meaning)
    })
  }

  it('has all its fields where the API sent the least', () => {
    expect(parseApproval({ status: 'approved' })).toEqual({
      id: null,
      status: 'approved',
      word: 'approved',
      modifiedDetails: null,
      note: null,
      decidedAt: null,
      reviewUrl: null,
    })
  })

  it('may have undocumented fields', () => {
    const wire = {
      id: 'req_1',
      status: 'APPROVED',
      riskLevel: 'CRITICAL',
      reviewer: { name: 'x' },
      list: [1],
      nothing: null,
    }
    expect(parseApproval(wire)).toMatchObject({ id: 'req_1', status: 'approved' })
  })

  it('is left as it was', () => {
    const wire = Object.freeze({ id: 'req_1', status: 'APPROVED', modifiedDetails: Object.freeze({ amount: 1 }) })
    expect(parseApproval(wire)).not.toBeNull()
  })

  const unreadable: readonly (readonly [name: string, wire: unknown])[] = [
    ['null', null],
    ['a list', [{ status: 'approved' }]],
    ['a text', 'approved'],
    ['a number', 1],
    ['nothing', undefined],
    ['no status', { id: 'req_1' }],
    ['a status of null', { id: 'req_1', status: null }],
    ['a status that is true', { id: 'req_1', status: true }],
    ['a list of statuses', { id: 'req_1', status: ['approved'] }],
    ['an id that is a number', { id: 1, status: 'APPROVED' }],
    ['an approvalId that is an object', { approvalId: { $gt: '' }, status: 'APPROVED' }],
    ['two names for the id that disagree', { id: 'req_1', approvalId: 'req_2', status: 'APPROVED' }],
  ]
  for (const [name, wire] of unreadable) {
    it(`with ${name} is unreadable`, () => {
      expect(parseApproval(wire)).toBeNull()
    })
  }
})

describe('the status of a response', () => {
  const meanings: readonly (readonly [word: string, status: string])[] = [
    ['approved', 'approved'],
    ['rejected', 'rejected'],
    ['declined', 'rejected'],
    ['expired', 'expired'],
    ['timed_out', 'expired'],
    ['cancelled', 'expired'],
    ['canceled', 'expired'],
    ['pending', 'pending'],
  ]
  for (const [word, status] of meanings) {
    it(`'${word}' means ${status}, in any mix of cases`, () => {
      fc.assert(
        fc.property(fc.mixedCase(fc.constant(word)), (mixed) => {
          expect(parseApproval({ status: mixed })).toMatchObject({ status, word: mixed })
        }),
      )
    })
  }

  const tricks = [
    '',
    'APPROVED ',
    ' approved',
    'approved\0',
    'approved\n',
    'APPROVED_BY_AI',
    'PRE-APPROVED',
    'NOT_APPROVED',
    'approve',
    'approved,rejected',
    'timed out',
    'TIMEDOUT',
    'ESCALATED',
    'true',
    'EXP\u0130RED',
    'exp\u0131red',
    'CANCE\u212aLED',
    '\uff21\uff30\uff30\uff32\uff2f\uff36\uff25\uff24',
    '\u0430pproved',
    'approv\u0435d',
    'a\u200bpproved',
    'constructor',
    '__proto__',
  ]
  for (const word of tricks) {
    it(`${JSON.stringify(word)} decides nothing, and is kept as it was written`, () => {
      expect(parseApproval({ id: 'req_1', status: word })).toMatchObject({ status: 'unknown', word })
    })
  }

  it('decides nothing unless it is one of the known words in ASCII', () => {
    const known = /^(approved|rejected|declined|expired|timed_out|cancelled|canceled|pending)$/i
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (word) => {
        fc.pre(!known.test(word))
        expect(parseApproval({ status: word })?.status).toBe('unknown')
      }),
    )
  })
})

describe('the edit of a response', () => {
  const edit = (modifiedDetails: unknown) => parseApproval({ id: 'req_1', status: 'APPROVED', modifiedDetails })

  it('of null, or none at all, is no edit', () => {
    expect(edit(null)?.modifiedDetails).toBeNull()
    expect(edit(undefined)?.modifiedDetails).toBeNull()
  })

  it('that is an empty object is an edit', () => {
    expect(edit({})?.modifiedDetails).toEqual({})
  })

  it('of some keys only is passed on as those keys', () => {
    expect(edit({ amount: 80 })?.modifiedDetails).toEqual({ amount: 80 })
  })

  for (const value of ['', 'text', 0, 1, true, false, [], [{ amount: 1 }]]) {
    it(`that is ${JSON.stringify(value)} makes the response unreadable`, () => {
      expect(edit(value)).toBeNull()
    })
  }

  it('is passed on untouched, keys such as __proto__ included', () => {
    const text =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"b":1,"a":[],"n":{"__proto__":null}}'
    const wire = JSON.parse(`{"id":"req_1","status":"APPROVED","modifiedDetails":${text}}`)
    const answer = parseApproval(wire)
    expect(answer?.modifiedDetails).toBe(wire.modifiedDetails)
    expect(JSON.stringify(answer?.modifiedDetails)).toBe(text)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  it('does not come from a prototype', () => {
    const wire = JSON.parse(
      '{"id":"req_1","status":"APPROVED","__proto__":{"modifiedDetails":{"amount":1},"decisionNote":"x"}}',
    )
    expect(parseApproval(wire)).toMatchObject({ modifiedDetails: null, note: null })
  })
})

describe('the note of a response', () => {
  const note = (decisionNote: unknown) => parseApproval({ status: 'approved', decisionNote })?.note

  it('is text as it was written, empty text included', () => {
    expect(note('Only off-peak.\n\u202e')).toBe('Only off-peak.\n\u202e')
    expect(note('')).toBe('')
  })

  it('is null where it is missing or null', () => {
    expect(note(undefined)).toBeNull()
    expect(note(null)).toBeNull()
  })

  it('of any other type is kept as JSON, because a condition may stand only there', () => {
    expect(note({ condition: 'no deletions' })).toBe('{"condition":"no deletions"}')
    expect([note(0), note(false), note(['a'])]).toEqual(['0', 'false', '["a"]'])
  })
})

describe('a number too large for JavaScript', () => {
  it.each(['{"modifiedDetails":{"amount":1e999}', '{"modifiedDetails":{"a":[{"b":-1e999}]}', '{"decisionNote":1e999'])(
    'makes a response unreadable, since it would be kept as null: %s',
    (start) => {
      expect(parseApproval(parseJson(`${start},"id":"req_1","status":"APPROVED"}`))).toBeNull()
    },
  )

  it('is harmless in a field that is not read', () => {
    expect(parseApproval(parseJson('{"score":1e999,"id":"req_1","status":"APPROVED"}'))?.status).toBe('approved')
  })
})

describe('the other fields of a response', () => {
  it('count only as text', () => {
    const wire = { status: 'approved', decidedAt: 1_700_000_000_000, reviewUrl: { href: 'https://x' } }
    expect(parseApproval(wire)).toMatchObject({ decidedAt: null, reviewUrl: null })
  })

  it('keep a date as the API wrote it', () => {
    expect(parseApproval({ status: 'approved', decidedAt: 'yesterday' })?.decidedAt).toBe('yesterday')
  })
})

describe('readDate', () => {
  it('reads an ISO date', () => {
    expect(readDate('2026-11-23T12:00:00.000Z')?.getTime()).toBe(Date.UTC(2026, 10, 23, 12))
  })

  it('reads one with another offset, and without seconds', () => {
    expect(readDate('2026-11-23T14:00:00+02:00')?.getTime()).toBe(Date.UTC(2026, 10, 23, 12))
    expect(readDate('2026-11-23T12:00Z')?.getTime()).toBe(Date.UTC(2026, 10, 23, 12))
  })

  // An approval with such a date is judged by when we learn of it, not by a year that a parser made up.
  const noMoments = ['0', '1', '-1', '2026', '1 May', '2026-11-23', '2026-11-23T12:00:00', '2026-11-23 12:00:00']
  for (const text of [null, '', 'yesterday', '2026-13-01T00:00:00Z', ...noMoments]) {
    it(`reads ${JSON.stringify(text)} as no date`, () => {
      expect(readDate(text)).toBeNull()
    })
  }
})

describe('a callback', () => {
  it('as documented is understood', () => {
    const body = { approvalId: 'req_abc123', status: 'approved', modifiedDetails: null, decisionNote: 'Approved.' }
    const claim = { id: 'req_abc123', status: 'approved', modifiedDetails: null, note: 'Approved.' }
    expect(parseCallback(body)).toEqual(claim)
  })

  it('in the older spelling, in capitals and with details of its own, is understood', () => {
    const body = { id: 'req_abc123', status: 'APPROVED', details: { amount: 1 }, event: 'approval.decided' }
    expect(parseCallback(body)).toEqual({
      id: 'req_abc123',
      status: 'APPROVED',
      modifiedDetails: undefined,
      note: undefined,
    })
  })

  it('needs nothing but an id', () => {
    expect(parseCallback({ approvalId: 'req_1' })).toMatchObject({ id: 'req_1', status: undefined })
  })

  it('may claim anything as edit and note, since nothing of it is acted on', () => {
    const body = { approvalId: 'req_1', modifiedDetails: [1], decisionNote: { a: 1 } }
    expect(parseCallback(body)).toMatchObject({ modifiedDetails: [1], note: { a: 1 } })
  })

  it('with two ids under one name counts the last, as JSON does', () => {
    expect(parseCallback(parseJson('{"approvalId":"req_1","approvalId":"req_2"}'))?.id).toBe('req_2')
  })

  const malformed: readonly unknown[] = [
    null,
    undefined,
    'req_1',
    7,
    [],
    [{ approvalId: 'req_1' }],
    {},
    { approvalid: 'req_1' },
    { approvalId: null },
    { approvalId: 7 },
    { approvalId: ['req_1'] },
    { approvalId: { $gt: '' } },
    { approvalId: 'req_1', id: 'req_2' },
    { approvalId: 'req_1', id: 7 },
    { approvalId: 'req_1', status: 1 },
    { approvalId: 'req_1', status: null },
    JSON.parse('{"__proto__":{"approvalId":"req_1"}}'),
  ]
  for (const body of malformed) {
    it(`of the shape ${JSON.stringify(body)} is malformed`, () => {
      expect(parseCallback(body)).toBeNull()
    })
  }
})

describe('no value of JSON', () => {
  const keyed = fc.record(
    {
      id: fc.jsonValue(),
      approvalId: fc.jsonValue(),
      status: fc.jsonValue(),
      modifiedDetails: fc.jsonValue(),
      decisionNote: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )

  it('makes a parser throw, or turns into an approval that it does not spell out', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), keyed), (value) => {
        const claim = parseCallback(value)
        expect(claim === null || typeof claim.id === 'string').toBe(true)
        if (parseApproval(value)?.status === 'approved') {
          expect(String((value as { status: unknown }).status).toUpperCase()).toBe('APPROVED')
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('parseJson', () => {
  const lists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

  it('takes as many levels as are allowed, and not one more', () => {
    expect(maxDepth).toBe(64)
    for (const nest of [lists, objects]) {
      expect(() => parseJson(nest(64))).not.toThrow()
      expect(() => parseJson(nest(65))).toThrow(SyntaxError)
      expect(() => parseJson(`[[],${nest(63)}]`)).not.toThrow()
      expect(() => parseJson(`[[],${nest(64)}]`)).toThrow(SyntaxError)
    }
  })

  it('refuses a bomb of levels without a stack overflow', () => {
    expect(() => parseJson('['.repeat(500_000))).toThrow(SyntaxError)
    expect(() => parseJson(lists(100_000))).toThrow(SyntaxError)
  })

  it('counts levels and not brackets', () => {
    const wide = `[${Array.from({ length: 1_000 }, () => '{"a":[]}').join()}]`
    expect(parseJson(wide)).toHaveLength(1_000)
  })

  it('reads what the platform reads, and refuses what it refuses', () => {
    const text = fc.oneof(fc.json({ maxDepth: 5 }), fc.string(), fc.stringMatching(/^[[\]{}",:\\a1 ]{0,12}$/))
    fc.assert(
      fc.property(text, (json) => {
        let expected: unknown
        try {
          expected = JSON.parse(json)
        } catch {
          expect(() => parseJson(json)).toThrow(SyntaxError)
          return
        }
        expect(isDeepStrictEqual(parseJson(json), expected)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('contradictions', () => {
  const truth = { status: 'approved', modifiedDetails: { amount: 80, tags: ['a', 'b'] }, note: 'ok' }
  const claim = { id: 'req_1', status: 'approved', modifiedDetails: { tags: ['a', 'b'], amount: 80 }, note: 'ok' }

  it('are none where the callback has the same, in other cases and another order of keys', () => {
    expect(contradictions({ ...claim, status: 'APPROVED' }, truth)).toEqual([])
  })

  it('are none in fields that the callback leaves out', () => {
    expect(
      contradictions({ id: 'req_1', status: undefined, modifiedDetails: undefined, note: undefined }, truth),
    ).toEqual([])
  })

  it('are none where one word means the other', () => {
    expect(contradictions({ ...claim, status: 'timed_out' }, { ...truth, status: 'expired' })).toEqual([])
  })

  it('name each field that differs', () => {
    const other = { id: 'req_1', status: 'rejected', modifiedDetails: { amount: 8_000 }, note: 'send it all' }
    expect(contradictions(other, truth)).toEqual(['status', 'modifiedDetails', 'decisionNote'])
  })

  const differing: readonly (readonly [field: string, changed: object])[] = [
    ['status', { status: 'rejected' }],
    ['status', { status: 'pending' }],
    ['status', { status: 'approved ' }],
    ['modifiedDetails', { modifiedDetails: null }],
    ['modifiedDetails', { modifiedDetails: {} }],
    ['modifiedDetails', { modifiedDetails: { amount: 80 } }],
    ['modifiedDetails', { modifiedDetails: { amount: 80, tags: ['b', 'a'] } }],
    ['modifiedDetails', { modifiedDetails: { amount: '80', tags: ['a', 'b'] } }],
    ['modifiedDetails', { modifiedDetails: { amount: 80, tags: { 0: 'a', 1: 'b' } } }],
    ['modifiedDetails', { modifiedDetails: 'text' }],
    ['decisionNote', { note: null }],
    ['decisionNote', { note: '' }],
    ['decisionNote', { note: { a: 1 } }],
  ]
  for (const [field, changed] of differing) {
    it(`name ${field} alone for ${JSON.stringify(changed)}`, () => {
      expect(contradictions({ ...claim, ...changed }, truth)).toEqual([field])
    })
  }

  it('name an edit that the API does not know of', () => {
    expect(contradictions(claim, { ...truth, modifiedDetails: null })).toEqual(['modifiedDetails'])
  })
})

describe('sameJson', () => {
  it('agrees with the platform on any two values of JSON', () => {
    const value = fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.parse(JSON.stringify(json)) as unknown)
    const pair = fc.oneof(
      fc.tuple(value, value),
      value.map((json) => [json, JSON.parse(JSON.stringify(json))]),
    )
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(sameJson(a, b)).toBe(isDeepStrictEqual(a, b))
      }),
      { numRuns: 500 },
    )
  })

  it('is not misled by keys that every object inherits', () => {
    expect(sameJson({ toString: 1 }, { constructor: 1 })).toBe(false)
    expect(sameJson(JSON.parse('{"__proto__":{}}'), { a: 1 })).toBe(false)
    expect(sameJson(JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}'))).toBe(true)
  })
})
