import { CheqpointError, type JsonObject } from '../index.js'

/** What {@link fakeCallback} claims, and where and how it is sent. */
export interface FakeCallbackOptions {
  /** The word it claims. Default `'approved'`. A receiver believes none: it asks the API. */
  readonly status?: string | undefined
  readonly modifiedDetails?: JsonObject | null | undefined
  readonly decisionNote?: string | null | undefined
  /**
   * Where it is posted. With a `callbackSecret` it must be the URL that the request was submitted with, since the token
   * is in there. Default `'https://app.test/webhooks/cheqpoint'`.
   */
  readonly url?: string | undefined
  /** The `User-Agent`. Default `'Cheqpoint-Callback/1.0'`. */
  readonly agent?: string | undefined
}

/**
 * A callback as Cheqpoint documents it, for `receiver.fetch`: whatever it claims, no receiver may act on it before the
 * API said so. Each call makes a request of its own, since a body is read once.
 * Throws `option-unknown` for a name that it does not know.
 *
 * @example
 * ```ts
 * const response = await receiver.fetch(fakeCallback(approvalId, { status: 'rejected' }))
 * ```
 */
export function fakeCallback(approvalId: string, options: FakeCallbackOptions = {}): Request {
  const {
    status = 'approved',
    modifiedDetails = null,
    decisionNote = null,
    url = 'https://app.test/webhooks/cheqpoint',
    agent = 'Cheqpoint-Callback/1.0',
    ...unknown
  } = options
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw new CheqpointError('option-unknown', `fakeCallback has no option ${name}`)
  return new Request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': agent },
    body: JSON.stringify({ approvalId, status, modifiedDetails, decisionNote }),
  })
}
