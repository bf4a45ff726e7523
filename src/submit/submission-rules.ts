import { createHash } from 'node:crypto'
import type { TrackedRequest } from '../approvals/entry.js'
import { CheqpointError, type ErrorInfo, isCheqpointError } from '../model/errors.js'
import type { ActionRules } from '../options/actions.js'
import { validate } from '../pipeline/effective-details.js'
import { canonicalJson, readJson } from '../util/json.js'

/** Responses that say for certain that Cheqpoint did not take the request. */
const refusedStatuses: ReadonlySet<number> = new Set([
  400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 429, 431,
])
/** What a key stands for: the same content, in whatever order of its keys, gives the same digest. */
export function digestOf({ action, assistant, details, context }: TrackedRequest): string {
  const content = canonicalJson([assistant, action, readJson(details), readJson(context)])
  return createHash('sha256').update(content).digest('base64url')
}

/** Nothing was sent, or the answer was a documented no. */
export function isRefusal(error: unknown): boolean {
  if (!isCheqpointError(error)) return false
  const { code, httpStatus } = error
  // `aborted` is what a closed client says before it sends anything.
  return (
    code === 'api-unreachable' || code === 'aborted' || (httpStatus !== undefined && refusedStatuses.has(httpStatus))
  )
}

export function unknown(why: string, info: ErrorInfo): CheqpointError {
  return new CheqpointError('submission-unknown', why, info)
}

export function keyReused(ref: string): CheqpointError {
  const message = 'this idempotencyKey was used for another action, other details or another context'
  return new CheqpointError('key-reused', `${message}; use a key for each step`, { ref })
}

/** Throws `argument-invalid` where a value does not pass the schema of its action. */
export async function demand(schema: ActionRules['details'], text: string, name: string): Promise<void> {
  let paths: readonly string[] = ['']
  let hasThrown = false
  try {
    const checked = await validate(schema, readJson(text))
    if (checked.ok) return
    paths = checked.paths
  } catch {
    // What it says may quote the value.
    hasThrown = true
  }
  const places = paths.map((path) => path || 'the top').join(', ')
  const why = hasThrown ? 'because it threw' : `at ${places}`
  throw new CheqpointError('argument-invalid', `${name} do not pass the schema of the action ${why}`)
}
