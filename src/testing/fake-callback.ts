import { CheqpointError, type JsonObject } from '../index.js'

/** Options of {@link fakeCallback}. */
export interface FakeCallbackOptions {
  /** The claimed status, which no receiver trusts. Default `'approved'`. */
  readonly status?: string | undefined
  readonly modifiedDetails?: JsonObject | null | undefined
  readonly decisionNote?: string | null | undefined
  /** If tokens are required, the submitted URL. Default `'https://app.test/webhooks/cheqpoint'`. */
  readonly url?: string | undefined
  /** The `User-Agent`. Default `'Cheqpoint-Callback/1.0'`. */
  readonly agent?: string | undefined
}

/**
 * Creates a callback as Cheqpoint sends it, for `receiver.fetch`. A body can be read once: create one for each
 * delivery. Throws `option-unknown` or `option-invalid`.
 *
 * @example
 * ```ts
 * const response = await receiver.fetch(fakeCallback(approvalId, { status: 'rejected' }))
 * ```
 */
export function fakeCallback(approvalId: string, options: FakeCallbackOptions = {}): Request {
  if (typeof options !== 'object' || options === null)
    throw new CheqpointError('option-invalid', 'fakeCallback() takes an object of options, such as { status }')
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
  try {
    return new Request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': agent },
      body: JSON.stringify({ approvalId, status, modifiedDetails, decisionNote }),
    })
  } catch (cause) {
    const allowed = 'a whole URL as url, a header value as agent, and JSON as the rest'
    throw new CheqpointError('option-invalid', `fakeCallback() takes ${allowed}`, { cause })
  }
}
