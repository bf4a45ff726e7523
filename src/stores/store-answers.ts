import type { Store } from './store.js'

/*
 * What a store may answer. A store that somebody else wrote may answer otherwise, and what follows would take nothing
 * for "done", or trip over it where nobody expects it.
 */

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isNumber: Check = (value) => typeof value === 'number' && !Number.isNaN(value)
const isTextOrNull: Check = (value) => value === null || isText(value)
const isNumberOrNull: Check = (value) => value === null || isNumber(value)

function word(...words: readonly string[]): Check {
  return (value) => words.some((each) => each === value)
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check)
}

function shape(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields)
  // Any object may be asked for a property by name.
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    checks.every(([name, check]) => check((value as Record<string, unknown>)[name]))
}

/** An object that one of its fields tells from others. */
function union(tag: string, variants: Readonly<Record<string, Check>>): Check {
  const checks = new Map(Object.entries(variants))
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    const kind: unknown = Reflect.get(value, tag)
    return typeof kind === 'string' && checks.get(kind)?.(value) === true
  }
}

const draft = { ref: isTextOrNull, action: isText, assistant: isTextOrNull, expiresAt: isNumberOrNull }
const texts = { details: isText, context: isText }
const facts = {
  record: shape({ id: isText, ...draft, ...texts }),
  fence: isNumber,
  starts: isNumber,
  sealed: isTextOrNull,
  ageMs: isNumber,
}
const done = shape({
  tombstone: shape({
    ...{ id: isText, ref: isTextOrNull, action: isText, assistant: isTextOrNull, sealed: isTextOrNull },
    ...{ outcome: word('approved', 'rejected', 'expired', 'cancelled'), result: isTextOrNull },
  }),
})
const bare = shape({})
const waiting = shape({ ...facts, dueInMs: isNumber })
const snapshot = union('state', {
  pending: waiting,
  claimed: waiting,
  parked: shape({ ...facts, reason: isText, note: isText }),
  done,
})
const reservation = shape({
  ref: isText,
  draft: shape({ ...draft, ...texts }),
  ageMs: isNumber,
  candidates: listOf(isText),
})
const nothing: Check = (value) => value === null

/** By method, whether a value is an answer that the contract allows. */
export const isAnswer: Readonly<Record<keyof Store, Check>> = {
  add: word('added', 'exists'),
  reserve: union('kind', { reserved: bare, open: bare, bound: shape({ id: isText }) }),
  bind: word('bound', 'conflict', 'unknown'),
  hold: word('held', 'full', 'bound', 'unknown'),
  discard: word('discarded', 'bound', 'unknown'),
  postpone: word('postponed', 'bound', 'unknown'),
  reservation: (value) => nothing(value) || reservation(value),
  claim: union('kind', {
    claimed: shape(facts),
    ...{ unknown: bare, foreign: bare, unreadable: bare, done },
    parked: shape({ reason: isText }),
    held: shape({ forMs: isNumber }),
    'too-soon': shape({ inMs: isNumber }),
  }),
  knock: word('knocked', 'done', 'parked', 'foreign', 'unknown'),
  takeDue: listOf(union('kind', { approval: shape({ id: isText }), reservation: shape({ ref: isText }) })),
  extend: word('extended', 'lost'),
  seal: union('kind', { sealed: shape({ sealed: isText, starts: isNumber }), lost: bare }),
  release: word('released', 'lost'),
  complete: word('done', 'lost'),
  park: word('parked', 'lost'),
  retry: word('pending', 'not-parked', 'unknown'),
  cancel: word('cancelled', 'held', 'done', 'unknown'),
  get: (value) => nothing(value) || snapshot(value),
  list: shape({ items: listOf(snapshot), cursor: isTextOrNull }),
  reservations: shape({ items: listOf(reservation), cursor: isTextOrNull }),
  stats: shape({ open: isNumber, parked: isNumber, overdueMs: isNumber }),
  nextDueInMs: isNumberOrNull,
  check: listOf(isText),
  close: () => true,
}
