import { CheqpointError, type JsonObject } from '../index.js'

/** What {@link fakeCallback} claims, and where and how it is sent. */
export interface FakeCallbackOptions {
  /** The status that it claims, which no receiver trusts. Default `'approved'`. */
  readonly status?: string | undefined
  readonly modifiedDetails?: JsonObject | null | undefined
  readonly decisionNote?: string | null | undefined
  /** Where tokens are required: the URL that was submitted. Default `'https://app.test/webhooks/cheqpoint'`. */
  readonly url?: string | undefined
  /** The `User-Agent`. Default `'Cheqpoint-Callback/1.0'`. */
  readonly agent?: string | undefined
}

/**
 * A callback as Cheqpoint sends it, to pass to `receiver.fetch`. A body is read once: make a new one for each delivery.
 * Throws `option-unknown` for an unknown option.
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
