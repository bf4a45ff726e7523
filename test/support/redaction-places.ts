import type { SecretKind } from './canaries.js'

/** Places where a text can be read. */
export const places = [
  /** Status line, headers and body of the response to a callback. */
  'answer',
  /** An event as JSON, in a log, as a copy, its `error` aside. */
  'event',
  /** The `error` of an event, from a handler or a store: as JSON, as a log shows it, and all of its contents. */
  'event error',
  /** A CheqpointError that a method rejects with: message, stack, causes, properties. */
  'error',
  /** An error of the caller's store or schema, passed on directly or as `cause`. */
  'own error',
  /** Cheqpoint's own message about a refused call: `apiMessage` of an error. */
  'api message',
  /** The result of a method, for the caller only. */
  'returned',
  /** Requests to the API: the key header, the body of a submission, the rest. */
  'key header',
  'submission',
  'request',
  /** Stored data, and commands to the store. */
  'open record',
  'parked record',
  'tombstone',
  'cancelled tombstone',
  'reference',
  'index',
  'command',
  /** Spans with attributes and links, and metrics with labels. */
  'trace',
  'metric',
  /** The receiver, the client, the store and the simulator themselves. */
  'object',
] as const
export type Place = (typeof places)[number]

const kept = ['open record', 'parked record', 'command'] as const

/** The only places where each secret may be. */
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
