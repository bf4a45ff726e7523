import type { SecretKind } from './canaries.js'

/** Where something may be read, by whom it concerns or by whom it does not. */
export const places = [
  /** Status line, headers and body of an answer to a callback. */
  'answer',
  /** An event as JSON, in a log, as a copy. */
  'event',
  /** The same event with what is hidden in it: the `error` of a handler or of a store. */
  'hidden event',
  /** A CheqpointError that a method rejects with: message, stack, causes, properties. */
  'error',
  /** What the caller's own store threw, handed on as the cause of `store-unavailable`. */
  'own error',
  /** What a method resolves with, for the caller alone. */
  'returned',
  /** What the API is sent: the header of the key, the body of a submission, all the rest. */
  'key header',
  'submission',
  'request',
  /** What the store holds, and how it is told. */
  'open record',
  'parked record',
  'tombstone',
  'outcome-only tombstone',
  'cancelled tombstone',
  'reference',
  'index',
  'command',
  /** The receiver, the client, the store and the simulator themselves. */
  'object',
] as const
export type Place = (typeof places)[number]

const kept = ['open record', 'parked record', 'command'] as const

/** Where each secret may be. Nowhere else. */
export const mayAppear: Readonly<Record<SecretKind, readonly Place[]>> = {
  key: ['key header'],
  token: ['submission'],
  callbackSecret: [],
  details: ['submission', ...kept, 'returned'],
  context: [...kept, 'returned'],
  edit: [...kept, 'tombstone', 'returned'],
  note: [...kept, 'tombstone', 'returned'],
  result: ['tombstone', 'command', 'returned'],
  handlerError: ['hidden event'],
  storeError: ['hidden event', 'own error', 'returned'],
  upstream: [],
  agent: [],
  claim: [],
}
