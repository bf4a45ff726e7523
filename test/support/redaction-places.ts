import type { SecretKind } from './canaries.js'

/** Where something may be read, by whom it concerns or by whom it does not. */
export const places = [
  /** Status line, headers and body of an answer to a callback. */
  'answer',
  /** An event as JSON, in a log, as a copy, its `error` aside. */
  'event',
  /** The `error` of an event, which a handler or a store threw, as JSON and as a log shows it, and all that is in it. */
  'event error',
  /** A CheqpointError that a method rejects with: message, stack, causes, properties. */
  'error',
  /** What the caller's own store or schema threw, handed on as it is or as the cause of ours. */
  'own error',
  /** Cheqpoint's own message about a refused call: `apiMessage` of an error. */
  'api message',
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
  'cancelled tombstone',
  'reference',
  'index',
  'command',
  /** Spans with their attributes and links, and figures with their labels. */
  'trace',
  'metric',
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
  handlerError: ['event error'],
  storeError: ['event error', 'own error', 'returned'],
  upstream: ['api message'],
  agent: [],
  claim: [],
}
