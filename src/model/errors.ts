/** Every code a {@link CheqpointError} can carry, with what it means. `docs/errors.md` has a remedy for each. */
export const errorCodes = {
  'option-invalid': 'An option has a value that is not allowed',
  'option-missing': 'A required option was not given',
  'option-unknown': 'An option name is not known',
  'argument-invalid': 'An argument of a method is not allowed',
  'not-json': 'A value that must survive a restart is not plain JSON',
  'approval-unknown': 'No approval with this id is being followed',
  'id-invalid': 'An approval id does not match the id pattern',
  'assistant-unknown': 'No API key is configured for this assistant',
  'api-unreachable': 'The API could not be reached; nothing was sent',
  'api-broken-off': 'The exchange with the API broke off after it had begun',
  'api-timeout': 'The API did not answer in time',
  'api-redirect': 'The API answered with a redirect, which is never followed',
  'api-key-refused': 'The API refused the key (401 or 403)',
  'api-not-found': 'The API does not know this approval (404)',
  'api-throttled': 'The API asked us to slow down (429)',
  'api-refused': 'The API refused the request (another 4xx)',
  'api-failed': 'The API failed (5xx)',
  'api-unreadable': 'The answer of the API could not be understood',
  'details-too-large': 'Details and context together are larger than maxDetailsBytes',
  'key-reused': 'The idempotency key was used for another request',
  'submission-in-progress': 'Another submission with this idempotency key is under way',
  'submission-refused': 'Cheqpoint refused the request, or it was never sent; nothing was kept',
  'submission-unknown': 'Whether Cheqpoint accepted the request is unknown; it is kept and listed',
  'store-full': 'The store holds as many open records as it may',
  'store-busy': 'Other writers kept changing the entry, or its lock did not come free in time',
  'store-unavailable': 'The store did not answer',
  'store-unsuitable': 'The store must not be used as it is set up',
  'store-answer': 'The store answered something that its contract does not allow',
  'lease-lost': 'The lease of the run was lost, and another run may have taken over',
  'query-not-a-transaction': 'The query given to completeIn is not inside a transaction',
  'wait-timeout': 'The decision did not arrive while waiting',
  aborted: 'The caller gave up',
  parked: 'The approval is parked and waits for a person',
  'receiver-closed': 'The receiver was closed',
  'body-already-read': 'Something read the request body and left nothing of it',
  'peer-missing': 'An optional peer dependency is not installed',
} as const

/** What a {@link CheqpointError} is about: a key of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** What an error may carry beside its code. Never a key, a token or a payload. */
export interface ErrorInfo {
  /** HTTP status that the API answered with. */
  readonly httpStatus?: number | undefined
  /** How long to wait before another try, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  readonly approvalId?: string | undefined
  /** Cheqpoint's own message about a refused call: at most 200 printable characters, without keys. */
  readonly apiMessage?: string | undefined
  /** Our own reference of a submission. */
  readonly ref?: string | undefined
  readonly cause?: unknown
}

const brand: unique symbol = Symbol.for('cheqpoint-callback.error')

/** A Connection Key, by its documented start: given in the place of a name, it must not be shown as one. */
export const connectionKeys: RegExp = /cq_live_[\w-]+/g

/**
 * The one error class of this library. `code` is stable across releases; `message` is for people and may change.
 *
 * @example
 * ```ts
 * try {
 *   await receiver.start()
 * } catch (error) {
 *   if (isCheqpointError(error, 'store-unsuitable')) console.error(error.message)
 *   throw error
 * }
 * ```
 */
export class CheqpointError extends Error {
  override readonly name = 'CheqpointError'
  readonly code: ErrorCode
  readonly httpStatus: number | undefined
  readonly retryAfterMs: number | undefined
  readonly approvalId: string | undefined
  readonly apiMessage: string | undefined
  readonly ref: string | undefined

  constructor(code: ErrorCode, message: string, info: ErrorInfo = {}) {
    super(message.replace(connectionKeys, 'cq_live_…'), info.cause === undefined ? undefined : { cause: info.cause })
    this.code = code
    this.httpStatus = info.httpStatus
    this.retryAfterMs = info.retryAfterMs
    this.approvalId = info.approvalId
    this.apiMessage = info.apiMessage
    this.ref = info.ref
    // Another copy of this package in the same process knows its errors by this, where `instanceof` would not.
    Object.defineProperty(this, brand, { value: true })
  }
}

/**
 * Whether `error` is a {@link CheqpointError}, with this code where one is named. Errors of another copy of this package
 * in the same process count too.
 */
export function isCheqpointError(error: unknown, code?: ErrorCode): error is CheqpointError {
  if (typeof error !== 'object' || error === null || !(brand in error) || !('code' in error)) return false
  return code === undefined || error.code === code
}
