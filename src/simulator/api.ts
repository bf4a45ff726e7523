import type { Context, Hono } from 'hono'
import type { JsonObject } from '../index.js'
import type { SimulatorEnv } from './calls.js'
import type { Faults } from './faults.js'
import { type DecisionInput, isObject, type RequestBook, type SimulatedRequest, type Submission } from './requests.js'

/** The longest that Cheqpoint holds a submission open, whatever its `maxWaitMs`. */
export const longestHoldMs = 10_000

/** Decides a request at its submission, or leaves it to a reviewer with `null`. */
export type Rule = (request: SimulatedRequest) => DecisionInput | null

export interface ApiParts {
  readonly requests: RequestBook
  readonly faults: Faults
  readonly closing: AbortSignal
  /** The rule of the moment. */
  readonly rule: Rule
  /** Sends the callback of a decided request. */
  readonly callBack: (request: SimulatedRequest) => Promise<void>
}

/**
 * Adds the three documented endpoints. What Cheqpoint does not document is chosen here: errors are
 * `{ "error": "…" }`; a pending GET has the fields of a decided one, each `null`; a request of another assistant is
 * as unknown as one that never was; `callbackUrl` has no meaning for `/api/approvals/request`, whose answer is
 * `PENDING` even where a rule decided.
 */
export function addEndpoints(app: Hono<SimulatorEnv>, { requests, faults, closing, rule, callBack }: ApiParts): void {
  app.post('/api/approvals/request', async (c) => {
    const submission = await readSubmission(c)
    if ('error' in submission) return c.json(submission, 400)
    const { id } = await submit({ ...submission, callbackUrl: null, maxWaitMs: 0 }, false)
    return c.json({ id, status: 'PENDING' })
  })

  app.get('/api/approvals/:id', (c) => {
    const request = requests.get(c.req.param('id'))
    if (request === undefined || request.assistant !== c.var.assistant) return c.json({ error: 'Not found' }, 404)
    const { id, status, modifiedDetails, note, decidedAt } = requests.read(request, faults)
    return c.json({ id, status: status.toUpperCase(), modifiedDetails, decisionNote: note, decidedAt })
  })

  app.post('/api/webhooks/inbound', async (c) => {
    const submission = await readSubmission(c)
    if ('error' in submission) return c.json(submission, 400)
    const request = await submit(submission, !faults.early)
    const signals = [closing, c.req.raw.signal]
    const { id, inline, status, modifiedDetails } =
      request.status === 'pending' ? await requests.hold(request, signals) : request
    if (inline) return c.json({ status, approvalId: id, modifiedDetails })
    return c.json({ status: 'pending', approvalId: id, reviewUrl: new URL(`/#${id}`, c.req.url).href })
  })

  /** Keeps the submission and lets the rule decide it. Not `inline`: the callback comes before the answer. */
  async function submit(submission: Submission, inline: boolean): Promise<SimulatedRequest> {
    const added = requests.add(submission)
    const decision = rule(added)
    if (decision === null) return added
    const request = requests.decide(added.id, decision, inline)
    await callBack(request)
    return request
  }
}

async function readSubmission(c: Context<SimulatorEnv>): Promise<Submission | { readonly error: string }> {
  const body = parseObject(await c.req.text())
  if (body === null) return { error: 'The body must be a JSON object' }
  const { action, summary, details, maxWaitMs = 0 } = body
  if (!isText(action)) return { error: 'action is required' }
  if (!isText(summary)) return { error: 'summary is required' }
  if (!isObject(details)) return { error: 'details is required and must be an object' }
  if (typeof maxWaitMs !== 'number' || maxWaitMs < 0) return { error: 'maxWaitMs must be a number of milliseconds' }
  // The older pages call it webhookUrl.
  const callbackUrl = body['callbackUrl'] ?? body['webhookUrl'] ?? null
  if (callbackUrl !== null && !isHttpUrl(callbackUrl)) return { error: 'callbackUrl must be an http or https URL' }
  const holdMs = Math.min(maxWaitMs, longestHoldMs)
  const { assistant } = c.var
  return { assistant, action, summary, details, submission: body, callbackUrl, maxWaitMs: holdMs }
}

/** The JSON object in a text, or `null` where it is none. */
export function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
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
