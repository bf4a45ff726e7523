import type { SubmitRequest } from '../cheqpoint/client-types.js'
import { CheqpointError } from '../model/errors.js'
import { argumentGroup } from '../options/option-checks.js'
import type { Tracked } from './tracked-request.js'

/** Options of a submission, beside the request. An `expiresAt` is sent to Cheqpoint; the default one is not. */
export interface SubmitOptions extends Pick<Tracked, 'context' | 'expiresAt' | 'assistant'> {
  /**
   * How long Cheqpoint may hold the call for a decision, less than `submitTimeoutMs`; Cheqpoint caps it at 10,000.
   * Default: not at all.
   */
  readonly maxWaitMs?: number | undefined
  /**
   * The same key gives the first submission's approval back instead of a second request: for an agent's step that may
   * be executed again. Known for as long as the approval or its tombstone is. With another assistant, action, details or
   * context the submission rejects with `key-reused`.
   */
  readonly idempotencyKey?: string | undefined
}

const requestNames: readonly string[] = [
  'action',
  'summary',
  'details',
  'riskLevel',
  'riskScore',
  'justification',
  'priority',
  'agentName',
  'metadata',
] satisfies (keyof SubmitRequest)[]
const optionNames: readonly string[] = [
  'context',
  'expiresAt',
  'assistant',
  'maxWaitMs',
  'idempotencyKey',
] satisfies (keyof SubmitOptions)[]

/** The longest that Cheqpoint holds a submission. */
const longestHoldMs = 10_000

/** Throws `argument-invalid` and names what is wrong. What is kept of the request is checked as it is written. */
export function checkSubmission(request: unknown, options: unknown, submitTimeoutMs: number): void {
  if (request === undefined)
    throw new CheqpointError('argument-invalid', 'submit() takes a request: action, summary and details')
  const { summary } = argumentGroup(request, 'the request of submit()', requestNames)
  if (typeof summary !== 'string' || summary === '')
    throw new CheqpointError('argument-invalid', 'summary must be one line of text for the reviewer')
  const { idempotencyKey, maxWaitMs } = argumentGroup(options, 'the options of submit()', optionNames)
  if (idempotencyKey !== undefined && (typeof idempotencyKey !== 'string' || idempotencyKey === ''))
    throw new CheqpointError('argument-invalid', 'idempotencyKey must be a text that is not empty')
  // A submission that is given up before Cheqpoint responds would be unknown each time.
  const isWait = (ms: unknown): boolean =>
    typeof ms === 'number' && Number.isInteger(ms) && ms >= 0 && Math.min(ms, longestHoldMs) < submitTimeoutMs
  if (maxWaitMs !== undefined && !isWait(maxWaitMs)) {
    const allowed = `a whole number of milliseconds, less than submitTimeoutMs (${submitTimeoutMs})`
    throw new CheqpointError('argument-invalid', `maxWaitMs must be ${allowed}`)
  }
}
