import { describe, expect, it } from 'vitest'
import { type CallbackResponse, type Outcome, toResponse } from '../../../src/index.js'

const approvalId = 'req_1'
const confirmed = {
  status: 'approved',
  modifiedDetails: { amount: 80 },
  note: 'only today',
  decidedAt: null,
  via: 'poll',
} as const
const error = new Error('password of the store')

/** One outcome of every kind: the type demands each of them, so a new kind cannot be forgotten here. */
const outcomes: { readonly [Kind in Outcome['kind']]: Outcome & { readonly kind: Kind } } = {
  handled: { kind: 'handled', approvalId, status: 'approved', confirmed },
  completed: { kind: 'completed', approvalId, confirmed },
  'edit-refused': { kind: 'edit-refused', approvalId, reason: 'edit-invalid', confirmed },
  parked: { kind: 'parked', approvalId, reason: 'too-many-attempts' },
  running: { kind: 'running', approvalId },
  'in-progress': { kind: 'in-progress', approvalId, retryAfterMs: 2_000 },
  'over-budget': { kind: 'over-budget', approvalId, retryAfterMs: 2_000 },
  'no-free-slot': { kind: 'no-free-slot', approvalId, retryAfterMs: 2_000 },
  'too-soon': { kind: 'too-soon', approvalId, retryAfterMs: 2_000 },
  'awaiting-id': { kind: 'awaiting-id', approvalId, retryAfterMs: 2_000 },
  undecided: { kind: 'undecided', approvalId, retryAfterMs: 2_000 },
  'api-failed': { kind: 'api-failed', approvalId, code: 'api-timeout', retryAfterMs: 2_000 },
  'api-throttled': { kind: 'api-throttled', approvalId, retryAfterMs: 2_000 },
  'api-key-refused': { kind: 'api-key-refused', approvalId },
  'assistant-unknown': { kind: 'assistant-unknown', approvalId },
  'no-handler': { kind: 'no-handler', approvalId },
  'handler-failed': { kind: 'handler-failed', approvalId, confirmed, retryAfterMs: 2_000 },
  'unknown-approval': { kind: 'unknown-approval' },
  'token-refused': { kind: 'token-refused' },
  'agent-refused': { kind: 'agent-refused' },
  malformed: { kind: 'malformed' },
  'body-aborted': { kind: 'body-aborted' },
  'method-not-allowed': { kind: 'method-not-allowed' },
  'body-too-large': { kind: 'body-too-large' },
  'body-too-slow': { kind: 'body-too-slow' },
  'media-type-refused': { kind: 'media-type-refused' },
  'body-already-read': { kind: 'body-already-read' },
  'store-unavailable': { kind: 'store-unavailable', error },
  closing: { kind: 'closing' },
  overloaded: { kind: 'overloaded' },
}

/** The table of the design, written down once more: kind, swept, not swept, Retry-After where it is not swept. */
const table: readonly (readonly [Outcome['kind'], number, number, string | null])[] = [
  ['handled', 200, 200, null],
  ['completed', 200, 200, null],
  ['edit-refused', 200, 200, null],
  ['parked', 202, 202, null],
  ['running', 202, 202, null],
  ['in-progress', 202, 409, '2'],
  ['over-budget', 202, 429, '2'],
  ['no-free-slot', 202, 503, '2'],
  ['too-soon', 202, 409, '2'],
  ['awaiting-id', 202, 409, '2'],
  ['undecided', 202, 409, '2'],
  ['api-failed', 202, 502, '2'],
  ['api-throttled', 202, 503, '2'],
  ['api-key-refused', 202, 500, null],
  ['assistant-unknown', 202, 500, null],
  ['no-handler', 202, 500, null],
  ['handler-failed', 202, 500, '2'],
  ['unknown-approval', 404, 404, null],
  ['token-refused', 401, 401, null],
  ['agent-refused', 403, 403, null],
  ['malformed', 400, 400, null],
  ['body-aborted', 400, 400, null],
  ['method-not-allowed', 405, 405, null],
  ['body-too-large', 413, 413, null],
  ['body-too-slow', 408, 408, null],
  ['media-type-refused', 415, 415, null],
  ['body-already-read', 500, 500, null],
  ['store-unavailable', 503, 503, '5'],
  ['closing', 503, 503, '1'],
  ['overloaded', 503, 503, '1'],
]

const everyAnswer: readonly CallbackResponse[] = Object.values(outcomes).flatMap((outcome) =>
  [true, false].map((swept) => toResponse(outcome, { swept })),
)

describe('the table of responses', () => {
  it('has a row for every kind', () => {
    expect(table.map(([kind]) => kind).sort()).toEqual(Object.keys(outcomes).sort())
  })

  it.each(table)(
    'has for %s the status %i where it is swept and %i where it is not',
    (kind, swept, alone, retryAfter) => {
      const answers = [true, false].map((isSwept) => toResponse(outcomes[kind], { swept: isSwept }))
      expect(answers.map(({ status }) => status)).toEqual([swept, alone])
      expect(answers.map(({ headers }) => headers['retry-after'] ?? null)).toEqual([
        swept < 400 ? null : retryAfter,
        retryAfter,
      ])
    },
  )
})

describe('every response', () => {
  it('has a body: a result below 400, a problem with a stable code above', () => {
    for (const { status, headers, body } of everyAnswer) {
      const parsed: unknown = JSON.parse(body)
      if (status < 400) {
        expect(headers['content-type']).toBe('application/json')
        expect(parsed).toEqual({ result: expect.stringMatching(/^[a-z-]+$/) })
      } else {
        expect(headers['content-type']).toBe('application/problem+json')
        expect(parsed).toEqual({
          type: 'about:blank',
          title: expect.any(String),
          status,
          code: expect.stringMatching(/^[a-z-]+$/),
        })
      }
    }
  })

  it('names its kind as result or code, but for a repeated callback, which gets the bytes of the first', () => {
    for (const outcome of Object.values(outcomes)) {
      for (const swept of [true, false]) {
        const { body } = toResponse(outcome, { swept })
        const word = outcome.kind === 'completed' ? 'handled' : outcome.kind
        expect(body).toMatch(new RegExp(`"(result|code)":"${word}"`))
      }
    }
    expect(toResponse(outcomes.completed, { swept: true })).toEqual(toResponse(outcomes.handled, { swept: false }))
  })

  it('is never a redirect, and never 410, which some senders take as "stop sending"', () => {
    for (const { status } of everyAnswer) {
      expect(status).not.toBe(410)
      expect(status >= 200 && (status < 300 || status >= 400)).toBe(true)
    }
  })

  it('forbids caching and sniffing', () => {
    for (const { headers } of everyAnswer) {
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    }
  })

  it('holds no id, no payload and no text of an error', () => {
    for (const answer of everyAnswer) {
      expect(JSON.stringify(answer)).not.toMatch(
        /req_1|amount|only today|password|edit-invalid|too-many-attempts|api-timeout/,
      )
    }
  })

  it('names the allowed method where the method was the fault, and nowhere else', () => {
    const allowed = everyAnswer.filter(({ headers }) => headers['allow'] !== undefined)
    expect(allowed.map(({ status, headers }) => [status, headers['allow']])).toEqual([
      [405, 'POST'],
      [405, 'POST'],
    ])
  })

  it('closes the connection where a body was left unread in the middle', () => {
    const closing = everyAnswer.filter(({ headers }) => headers['connection'] === 'close')
    expect(new Set(closing.map(({ status }) => status))).toEqual(new Set([413, 408]))
  })

  it('is a 5xx only for failures of ours, of the API or of load, never for what a sender sends', () => {
    const anonymous = [
      'unknown-approval',
      'token-refused',
      'agent-refused',
      'malformed',
      'body-aborted',
      'method-not-allowed',
      'body-too-large',
      'body-too-slow',
      'media-type-refused',
      'undecided',
      'in-progress',
      'too-soon',
      'awaiting-id',
      'over-budget',
    ] as const
    for (const kind of anonymous) {
      for (const swept of [true, false]) expect(toResponse(outcomes[kind], { swept }).status).toBeLessThan(500)
    }
  })
})

describe('Retry-After', () => {
  it.each([
    [0, '1'],
    [1, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [900_000, '900'],
  ])('of %i ms is %s: whole seconds, rounded up, one at least', (retryAfterMs, header) => {
    const outcome: Outcome = { kind: 'undecided', approvalId, retryAfterMs }
    expect(toResponse(outcome, { swept: false }).headers['retry-after']).toBe(header)
  })
})

describe('a verified decision', () => {
  it('gets the response of a handled one', () => {
    expect(toResponse({ kind: 'ok' }, { swept: false })).toEqual(toResponse(outcomes.handled, { swept: false }))
  })
})

it('toResponse() throws argument-invalid for no outcome, an unknown kind, and without swept', () => {
  const handled = outcomes.handled
  for (const [outcome, options] of [
    [undefined, undefined],
    [null, { swept: true }],
    [{}, { swept: true }],
    [{ kind: 'other' }, { swept: false }],
    [handled, undefined],
    [handled, null],
    [handled, {}],
    [handled, { swept: 'no' }],
  ] as const) {
    const failure = { code: 'argument-invalid', message: expect.stringContaining('{ swept: true or false }') }
    // What the types rule out, plain JavaScript may send.
    expect(() => toResponse(outcome as Outcome, options as { readonly swept: boolean })).toThrow(
      expect.objectContaining(failure),
    )
  }
})
