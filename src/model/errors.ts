/** Every code of a {@link CheqpointError}, with its meaning. `docs/errors.md` says what to do. */
export const errorCodes = {
  'option-invalid': 'An option has a value that is not allowed',
  'option-missing': 'A required option was not given',
  'option-unknown': 'An option name is not known',
  'argument-invalid': 'An argument of a method is not allowed',
  'not-json': 'Details, context or a result are not plain JSON',
  'approval-unknown': 'No approval with this id is tracked',
  'id-invalid': 'An approval id does not match the id pattern',
  'assistant-unknown': 'No API key is configured for this assistant',
  'api-unreachable': 'The API could not be reached; nothing was sent',
  'api-broken-off': 'The connection to the API failed during the exchange',
  'api-timeout': 'The API did not respond in time',
  'api-redirect': 'The API responded with a redirect, which is not followed',
  'api-key-refused': 'The API refused the key (401 or 403)',
  'api-not-found': 'The API does not know this approval (404)',
  'api-throttled': 'The API throttles requests (429)',
  'api-refused': 'The API refused the request (another 4xx)',
  'api-failed': 'The API failed (5xx)',
  'api-unreadable': 'The response of the API could not be read',
  'details-too-large': 'Details and context together are larger than maxDetailsBytes',
  'key-reused': 'The idempotency key was used for another request',
  'submission-in-progress': 'Another submission with this idempotency key is in progress',
  'submission-refused': 'Cheqpoint refused the request, or it was not sent; nothing is kept',
  'submission-unknown': 'Cheqpoint may have accepted the request; it is kept and listed',
  'store-full': 'The store accepts no more open entries',
  'store-busy': 'Concurrent writers or a lock blocked the entry',
  'store-unavailable': 'The store did not respond',
  'store-unsuitable': 'The setup of the store is unsafe',
  'store-response': 'The store returned something that its contract does not allow',
  'lease-lost': 'The lease of the run was lost, and another run may follow',
  'query-not-a-transaction': 'The query given to completeIn is not inside a transaction',
  'wait-timeout': 'No decision or completion arrived in time',
  aborted: 'The signal of the caller aborted, or the client was closed',
  parked: 'The approval is parked and waits for a person',
  'receiver-closed': 'The receiver is closed',
  'body-already-read': 'The request body was read before, and not kept',
  'peer-missing': 'An optional peer dependency is not installed',
} as const

/** A key of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** What an error has beside its code: never a key, a token or a payload. */
export interface ErrorInfo {
  /** HTTP status of the API's response. */
  readonly httpStatus?: number | undefined
  /** When to try again, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
  readonly approvalId?: string | undefined
  /** Cheqpoint's own message about a refused call: at most 200 printable characters, without keys. */
  readonly apiMessage?: string | undefined
  /** Our reference of a submission. */
  readonly ref?: string | undefined
  readonly cause?: unknown
}

const brand: unique symbol = Symbol.for('cheqpoint-callback.error')

/** Connection Keys, by their documented start: one that is passed as a name by mistake must not be shown. */
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
    // Lets another copy of this package in the same process recognize the error, where `instanceof` does not.
    Object.defineProperty(this, brand, { value: true })
  }
}

/**
 * Whether `error` is a {@link CheqpointError}, optionally with this code. Recognizes errors of another copy of this
 * package in the same process too.
 */
export function isCheqpointError(error: unknown, code?: ErrorCode): error is CheqpointError {
  if (typeof error !== 'object' || error === null || !(brand in error) || !('code' in error)) return false
  return code === undefined || error.code === code
}
