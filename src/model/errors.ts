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
  'submission-refused': 'Cheqpoint refused the request, or it was never sent; nothing was kept',
  'submission-unknown': 'Whether Cheqpoint accepted the request is unknown; it is kept and listed',
  'store-full': 'The store holds as many open records as it may',
  'store-unavailable': 'The store did not answer',
  'store-unsuitable': 'The store must not be used as it is set up',
  'store-answer': 'The store answered something that its contract does not allow',
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
  /** Our own reference of a submission. */
  readonly ref?: string | undefined
  readonly cause?: unknown
}

/** A Connection Key, by its documented start: given in the place of a name, it must not be shown as one. */
const connectionKey = /cq_live_[\w-]+/g

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
  readonly ref: string | undefined

  constructor(code: ErrorCode, message: string, info: ErrorInfo = {}) {
    super(message.replace(connectionKey, 'cq_live_…'), info.cause === undefined ? undefined : { cause: info.cause })
    this.code = code
    this.httpStatus = info.httpStatus
    this.retryAfterMs = info.retryAfterMs
    this.approvalId = info.approvalId
    this.ref = info.ref
  }
}

/** Whether `error` is a {@link CheqpointError}, with this code where one is named. */
export function isCheqpointError(error: unknown, code?: ErrorCode): error is CheqpointError {
  return error instanceof CheqpointError && (code === undefined || error.code === code)
}
