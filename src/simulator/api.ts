import { isJsonObject, type JsonObject } from '../util/json.js'
import type { GateDeps } from './calls.js'
import type { Faults } from './faults.js'
import type { DecisionInput, RequestBook, SimulatedRequest, Submission } from './requests.js'
import { notFound } from './server.js'

/** The longest that Cheqpoint holds a submission open, whatever its `maxWaitMs`. */
export const longestHoldMs = 10_000

/** Decides a request at its submission; `null` leaves it to a reviewer. */
export type Rule = (request: SimulatedRequest) => DecisionInput | null

export interface ApiDeps {
  readonly requests: RequestBook
  readonly faults: Faults
  readonly closing: AbortSignal
  /** The current rule. */
  readonly rule: Rule
  /** Sends the callback of a decided request. */
  readonly callBack: (request: SimulatedRequest) => Promise<void>
}

/**
 * The three documented endpoints. Choices where Cheqpoint documents nothing: errors are `{ "error": "…" }`; a pending
 * GET has the fields of a decided one, each `null`; a request of another assistant is unknown; `/api/approvals/request`
 * ignores `callbackUrl` and responds `PENDING` even if a rule decided.
 */
export function createEndpoints({ requests, faults, closing, rule, callBack }: ApiDeps): GateDeps['endpoints'] {
  return async ({ request, path }, assistant) => {
    const { method, url, signal } = request
    // The simulator's ids need no decoding.
    const [, id] = /^\/api\/approvals\/([^/]+)$/.exec(path) ?? []
    if (id !== undefined && /^(GET|HEAD)$/.test(method)) return read(id, assistant)
    if (method !== 'POST') return notFound()
    if (path !== '/api/approvals/request' && path !== '/api/webhooks/inbound') return notFound()
    const submission = readSubmission(await request.text(), assistant)
    if ('error' in submission) return Response.json(submission, { status: 400 })
    return Response.json(await (id === undefined ? inbound(submission, url, signal) : blocking(submission)))
  }

  function read(approvalId: string, assistant: string | null): Response {
    const known = requests.get(approvalId)
    if (known === undefined || known.assistant !== assistant) return notFound()
    const { id, status, modifiedDetails, note, decidedAt } = requests.read(known, faults)
    return Response.json({ id, status: status.toUpperCase(), modifiedDetails, decisionNote: note, decidedAt })
  }

  async function blocking(submission: Submission): Promise<object> {
    const { id } = await submit({ ...submission, callbackUrl: null, maxWaitMs: 0 }, false)
    return { id, status: 'PENDING' }
  }

  async function inbound(submission: Submission, url: string, signal: AbortSignal): Promise<object> {
    const request = await submit(submission, !faults.early)
    const { id, inline, status, modifiedDetails } =
      request.status === 'pending' ? await requests.hold(request, [closing, signal]) : request
    if (inline) return { status, approvalId: id, modifiedDetails }
    return { status: 'pending', approvalId: id, reviewUrl: new URL(`/#${id}`, url).href }
  }

  /** Stores the submission and lets the rule decide it. If not `inline`, the callback is sent before the response. */
  async function submit(submission: Submission, inline: boolean): Promise<SimulatedRequest> {
    const added = requests.add(submission)
    const decision = rule(added)
    if (decision === null) return added
    const request = requests.decide(added.id, decision, inline)
    await callBack(request)
    return request
  }
}

function readSubmission(text: string, assistant: string | null): Submission | { readonly error: string } {
  const body = parseObject(text)
  if (body === null) return { error: 'The body must be a JSON object' }
  const { action, summary, details, maxWaitMs = 0 } = body
  if (!isText(action)) return { error: 'action is required' }
  if (!isText(summary)) return { error: 'summary is required' }
  if (!isJsonObject(details)) return { error: 'details is required and must be an object' }
  if (typeof maxWaitMs !== 'number' || maxWaitMs < 0) return { error: 'maxWaitMs must be a number of milliseconds' }
  // Older Cheqpoint pages call it webhookUrl.
  const callbackUrl = body['callbackUrl'] ?? body['webhookUrl'] ?? null
  if (callbackUrl !== null && !isHttpUrl(callbackUrl)) return { error: 'callbackUrl must be an http or https URL' }
  const holdMs = Math.min(maxWaitMs, longestHoldMs)
  return { assistant, action, summary, details, submission: body, callbackUrl, maxWaitMs: holdMs }
}

/** Parses a JSON object; `null` for anything else. */
export function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isHttpUrl(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}
