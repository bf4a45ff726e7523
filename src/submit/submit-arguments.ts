import { createHash } from 'node:crypto'
import type { TrackedRequest } from '../approvals/entry.js'
import type { SubmitRequest } from '../cheqpoint/client-types.js'
import { CheqpointError } from '../model/errors.js'
import type { ActionRules } from '../options/actions.js'
import { argumentGroup, argumentNumber, invalid, type Names } from '../options/option-checks.js'
import { validate } from '../pipeline/effective-details.js'
import { canonicalJson, readJson } from '../util/json.js'
import type { Tracked } from './tracked-request.js'

/** Options of `submit`. An `expiresAt` is sent to Cheqpoint; the default one is not. */
export interface SubmitOptions extends Pick<Tracked, 'context' | 'expiresAt' | 'assistant'> {
  /**
   * How long Cheqpoint may delay its response for a decision: less than `submitTimeoutMs`; Cheqpoint allows 10,000.
   * Default 0.
   */
  readonly maxWaitMs?: number | undefined
  /**
   * Repeating a key returns the approval of the first submission instead of sending a second request: for steps of
   * agents that may run again. Known as long as the approval or its tombstone. With another assistant, action, details
   * or context the submission rejects with `key-reused`.
   */
  readonly idempotencyKey?: string | undefined
}

const requestNames: Names<SubmitRequest> = [
  'action',
  'summary',
  'details',
  'riskLevel',
  'riskScore',
  'justification',
  'priority',
  'agentName',
  'metadata',
]
const optionNames: Names<SubmitOptions> = ['context', 'expiresAt', 'assistant', 'maxWaitMs', 'idempotencyKey']

/** How long Cheqpoint delays a response at most. */
const longestHoldMs = 10_000

/** Throws `argument-invalid`, with what is wrong. What is kept of the request is checked as it is written. */
export function checkSubmission(request: unknown, options: unknown, submitTimeoutMs: number): void {
  const { summary } = argumentGroup(request ?? null, 'submit()', requestNames)
  if (typeof summary !== 'string' || summary === '')
    throw invalid('summary', summary, 'one line of text for the reviewer', 'argument')
  const { idempotencyKey, maxWaitMs } = argumentGroup(options, 'submit() as options', optionNames)
  if (idempotencyKey !== undefined && (typeof idempotencyKey !== 'string' || idempotencyKey === ''))
    throw invalid('idempotencyKey', idempotencyKey, 'a text that is not empty', 'argument')
  // A submission that times out before Cheqpoint responds would always be unknown.
  const longest = submitTimeoutMs > longestHoldMs ? Number.MAX_SAFE_INTEGER : submitTimeoutMs - 1
  argumentNumber(maxWaitMs, 'maxWaitMs (less than submitTimeoutMs)', 0, 0, longest)
}

/** Throws `argument-invalid` if details or context fail the schemas of their action. */
export async function checkContent({ details, context }: TrackedRequest, rules: ActionRules): Promise<void> {
  await demand(rules.details, details, 'details')
  await demand(rules.context, context, 'context')
}

async function demand(schema: ActionRules['details'], text: string, name: string): Promise<void> {
  // What a schema throws may quote the value.
  const checked = await validate(schema, readJson(text)).catch(() => null)
  if (checked?.ok) return
  const why = checked === null ? 'because it threw' : `at ${checked.paths.map((path) => path || 'the top').join(', ')}`
  throw new CheqpointError('argument-invalid', `the ${name} did not pass the schema of the action ${why}`)
}

/** The digest of what an idempotency key stands for, the same for any order of object keys. */
export function digestOf({ action, assistant, details, context }: TrackedRequest): string {
  const content = canonicalJson([assistant, action, readJson(details), readJson(context)])
  return createHash('sha256').update(content).digest('base64url')
}
