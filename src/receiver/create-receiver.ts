import { cancelApproval, discardSubmission } from '../approvals/end-by-person.js'
import { approvalKey } from '../approvals/entry.js'
import { retry } from '../approvals/operator.js'
import { listForPerson, readParked } from '../approvals/parked.js'
import { Records } from '../approvals/records.js'
import { createClient } from '../cheqpoint/client.js'
import type { SubmitRequest } from '../cheqpoint/client-types.js'
import { idMatcher, invalidId } from '../cheqpoint/ids.js'
import { Endpoint } from '../http/endpoint.js'
import { fromRequest, isRequest, toWebResponse } from '../http/hosts.js'
import { requestRules } from '../http/request-checks.js'
import { CheqpointError } from '../model/errors.js'
import type { EventListener } from '../model/events.js'
import { argumentGroup, argumentNumber } from '../options/option-checks.js'
import { createContext } from '../pipeline/context.js'
import { Pipeline } from '../pipeline/pipeline.js'
import type { PageQuery } from '../stores/store.js'
import { settleReservation } from '../submit/orphaned-submission.js'
import { randomRef } from '../submit/refs.js'
import { readUnconfirmed } from '../submit/submission.js'
import { Submitter } from '../submit/submitter.js'
import { track } from '../submit/track.js'
import { type RequestLimits, trackedNames } from '../submit/tracked-request.js'
import { CompletionWaits } from '../submit/wait.js'
import { Sweeper } from '../sweep/sweeper.js'
import { longestTimer } from '../util/clock.js'
import { within } from '../util/within.js'
import { checkOnce } from './check-once.js'
import { readReceiverOptions } from './read-receiver-options.js'
import type { ReceiverOptions } from './receiver-options.js'
import type { TypedReceiver } from './receiver-types.js'

/** How long `close` waits for aborted runs. */
const abortGraceMs = 900

/**
 * Creates a receiver. Checks every option and does no I/O.
 * Throws `option-missing`, `option-invalid` or `option-unknown`, with the option and what is allowed.
 *
 * @example
 * ```ts
 * const receiver = createReceiver({
 *   apiKey: process.env.CHEQPOINT_CONNECTION_KEY,
 *   async onDecision(decision, run) {
 *     if (decision.status !== 'approved') return
 *     await refund(decision.details, { idempotencyKey: run.idempotencyKey })
 *   },
 * })
 * ```
 */
export function createReceiver<const Details = Record<never, never>, const Context = Record<never, never>>(
  options: ReceiverOptions<Details, Context>,
): TypedReceiver<Details, Context> {
  const resolved = readReceiverOptions(options)
  const { clock, random, confirm, sweep, urls, callbackTokens, submitTimeoutMs, actions, fallback, telemetry } =
    resolved
  const { apiKey, apiKeys, baseUrl, dispatcher, idPattern } = options
  const { timeoutMs, maxResponseBytes } = confirm
  const callLimits = { timeoutMs, submitTimeoutMs, maxResponseBytes }
  const client = createClient({ apiKey, apiKeys, baseUrl, dispatcher, idPattern, ...callLimits, clock, random })
  const isId = idMatcher(idPattern)
  let closing: Promise<void> | undefined
  let endDrain = (): void => {}
  const drainOver = new Promise<void>((resolve) => {
    endDrain = resolve
  })

  const emit: EventListener = (event) => {
    resolved.emit(event)
    telemetry.event(event)
    if (event.type === 'completed' || event.type === 'parked') waits.notify(event.approvalId)
  }
  const records = new Records({ store: resolved.store, clock, random })
  const context = createContext({ ...resolved, emit }, { records, client, actions, fallback, telemetry })
  const { life } = context
  life.isSwept = sweep === 'elsewhere'
  const pipeline = new Pipeline(context)
  const sweeper = new Sweeper({
    context,
    pipeline,
    settleReservation: (ref) => settleReservation(ref, { context, submitTimeoutMs }),
  })
  const waits = new CompletionWaits(context, pipeline)
  const ready = checkOnce(records, emit)
  let isNoticed = false
  const noticeNoSweep = (): void => {
    if (!life.isSwept && !isNoticed) emit({ type: 'not-sweeping' })
    isNoticed ||= !life.isSwept
  }
  const needsToken = callbackTokens === 'required'
  const readRef = urls === null || callbackTokens === 'off' ? undefined : urls.read
  const rules = requestRules(resolved, isId, { readRef, needsToken })
  const endpoint = new Endpoint({ context, pipeline, ready, rules })
  const cameEarly = (id: string): boolean => endpoint.cameEarly(id)
  const limits = (): RequestLimits => ({
    assistants: client.assistants,
    now: clock.now(),
    expiresAfterMs: resolved.expiresAfterMs,
    maxDetailsBytes: resolved.maxDetailsBytes,
    trace: telemetry.traceContext(),
  })
  const submitter = new Submitter({ context, client, pipeline, isId, urls, limits, submitTimeoutMs, cameEarly })
  const stopObserving = telemetry.observe(() => records.count())

  const checkId = (approvalId: unknown): void => {
    if (typeof approvalId !== 'string' || !isId(approvalId)) throw invalidId(approvalId)
  }
  const demandOpen = (): void => {
    if (life.isClosing) throw new CheqpointError('receiver-closed', 'the receiver is closed; create another')
  }
  const usable = async (): Promise<void> => {
    demandOpen()
    await ready()
    demandOpen()
  }

  return {
    handle(callback, handleOptions) {
      noticeNoSweep()
      return endpoint.handle(callback, handleOptions)
    },
    async fetch(request, host) {
      if (!isRequest(request)) {
        const fix = 'pass c.req.raw in Hono; elsewhere use an adapter, or receiver.handle() with fromIncoming(request)'
        throw new CheqpointError('argument-invalid', `receiver.fetch() takes a Web-standard Request; ${fix}`)
      }
      noticeNoSweep()
      // Hosts that are given this method pass what they like after the request, such as a context with `waitUntil`.
      const waitUntil = typeof host?.waitUntil === 'function' ? host.waitUntil.bind(host) : undefined
      return toWebResponse(await endpoint.handle(fromRequest(request), waitUntil && { waitUntil }))
    },
    async track(approvalId, tracked) {
      checkId(approvalId)
      const given = argumentGroup(tracked ?? null, 'track()', trackedNames)
      await usable()
      noticeNoSweep()
      const added = await track(approvalId, given, { context, limits, cameEarly })
      sweeper.expectWork()
      return added
    },
    async submit(request, ...[submitOptions = {}]) {
      await usable()
      noticeNoSweep()
      try {
        // Whatever the schema accepts, the details are an object: the submitter checks that at run time.
        return await submitter.submit(request as SubmitRequest, submitOptions)
      } finally {
        // Whatever came of it: a decision whose handler failed is open, and so is a submission without a response.
        sweeper.expectWork()
      }
    },
    callbackUrl(of) {
      const { assistant } = argumentGroup(of, 'callbackUrl()', ['assistant'])
      const assistants = client.assistants ?? new Set()
      if (assistant !== undefined && (typeof assistant !== 'string' || !assistants.has(assistant)))
        throw new CheqpointError('argument-invalid', 'assistant must be one of those in apiKeys')
      if (urls === null)
        throw new CheqpointError('option-missing', 'option callbackUrl is required to make callback URLs')
      const ref = randomRef()
      const until = clock.now() + resolved.expiresAfterMs + resolved.retentionMs
      return { url: urls.write(ref, until, assistant ?? null), ref }
    },
    async wait(approvalId, waitOptions = {}) {
      checkId(approvalId)
      await usable()
      return waits.wait(approvalId, waitOptions)
    },
    async unconfirmed(query) {
      const page = await records.list('due', readPage(query, 'unconfirmed()'))
      return { items: page.items.flatMap(readUnconfirmed), cursor: page.cursor }
    },
    async discard(ref) {
      if (typeof ref !== 'string' || ref === '')
        throw new CheqpointError('argument-invalid', 'discard() takes the ref of a submission')
      return discardSubmission(records, ref)
    },
    async resolve(approvalId) {
      checkId(approvalId)
      await usable()
      return pipeline.process({ approvalId, via: 'manual' })
    },
    async reconcile(reconcileOptions) {
      const bounds = Sweeper.readOptions(reconcileOptions)
      await usable()
      return sweeper.reconcile(bounds)
    },
    async start(startOptions) {
      const { unref = false } = argumentGroup(startOptions, 'start()', ['unref'])
      if (typeof unref !== 'boolean') throw new CheqpointError('argument-invalid', 'unref must be true or false')
      await usable()
      if (sweep === 'here') sweeper.start({ unref })
    },
    async close(closeOptions) {
      const { drainMs } = argumentGroup(closeOptions, 'close()', ['drainMs'])
      const most = argumentNumber(drainMs, 'drainMs', 10_000, 0, longestTimer)
      closing ??= close()
      await within(closing, most)
      endDrain()
      return closing
    },
    async stats() {
      return {
        ...(await records.count()),
        inFlight: endpoint.inFlight,
        working: pipeline.size,
        sweeping: sweeper.running,
        tokensRefused: endpoint.tokensRefused,
      }
    },
    async parked(query) {
      const page = await listForPerson(records, readPage(query, 'parked()'))
      return { items: page.items.flatMap(readParked), cursor: page.cursor }
    },
    async retry(approvalId) {
      checkId(approvalId)
      const by = records.newToken()
      const answer = await records.change(approvalKey(approvalId), (stored) => retry(stored, { by }))
      if (answer === 'pending') sweeper.wake()
      return answer
    },
    async cancel(approvalId) {
      checkId(approvalId)
      return cancelApproval(records, approvalId, resolved.retentionMs)
    },
  }

  async function close(): Promise<void> {
    life.isClosing = true
    waits.close()
    // A store or an API that does not respond must not delay this.
    const stopped = sweeper.stop()
    const drained = stopped.then(async () => {
      await submitter.idle()
      await pipeline.idle()
    })
    await Promise.race([drained, drainOver])
    life.isStopped = true
    for (const claim of context.claims) claim.abort(new CheqpointError('receiver-closed', 'the receiver was closed'))
    const ended = stopped.then(() => pipeline.idle())
    await within(ended, abortGraceMs)
    stopObserving()
    void client.close() // resolves once its exchanges are over, and never rejects
  }
}

function readPage(query: unknown, method: string): PageQuery {
  const { limit, cursor } = argumentGroup(query, method, ['limit', 'cursor'])
  if (cursor !== undefined && typeof cursor !== 'string')
    throw new CheqpointError('argument-invalid', 'cursor must be the cursor of the page before')
  return { limit: argumentNumber(limit, 'limit', 100, 1, 1_000), cursor }
}
