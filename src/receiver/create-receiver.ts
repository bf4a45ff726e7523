import { readParked } from '../approvals/parked.js'
import { createClient, type SubmitRequest } from '../cheqpoint/client.js'
import { idMatcher } from '../cheqpoint/ids.js'
import { Endpoint, type HandleOptions } from '../http/endpoint.js'
import { fromRequest, toWebResponse } from '../http/hosts.js'
import type { Callback } from '../http/request-checks.js'
import { requestRules } from '../http/request-checks.js'
import type { CallbackResponse } from '../http/responses.js'
import { CheqpointError } from '../model/errors.js'
import type { EventListener } from '../model/events.js'
import type { ActionRules, Handler } from '../options/actions.js'
import { createContext } from '../pipeline/context.js'
import { Pipeline } from '../pipeline/pipeline.js'
import type { Stop } from '../pipeline/run-handler.js'
import { boundedStore, storeTimeoutMs } from '../stores/bounded-store.js'
import type { Store } from '../stores/store.js'
import { createCallbackUrls } from '../submit/callback-url.js'
import { settleReservation } from '../submit/orphaned-submission.js'
import { makeCallbackUrl, Submitter } from '../submit/submitter.js'
import { writeDraft } from '../submit/tracked-request.js'
import { readUnconfirmed } from '../submit/unconfirmed.js'
import { CompletionWaits } from '../submit/wait.js'
import { Sweeper } from '../sweep/sweeper.js'
import { nextPollMs } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { onceEach } from '../util/once-each.js'
import { SharedTimer } from '../util/shared-timer.js'
import { type ResolvedReceiverOptions, readReceiverOptions } from './read-receiver-options.js'
import type { ReceiverOptions } from './receiver-options.js'
import type { Receiver } from './receiver-types.js'
import { watchTokens } from './stripped-tokens.js'

/** How long aborted runs get to end before `close` resolves all the same. */
const abortGraceMs = 1_000

/**
 * Creates a receiver. Checks every option and does no I/O.
 * Throws `option-missing`, `option-invalid` or `option-unknown`, naming the option and what is allowed.
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
): Receiver<Details, Context> {
  const settings = readReceiverOptions(options)
  const { clock, random, confirm, polling, runs, callbacks, sweep, guarantee } = settings
  const client = createClient({
    apiKey: options.apiKey,
    apiKeys: options.apiKeys,
    baseUrl: options.baseUrl,
    dispatcher: options.dispatcher,
    idPattern: options.idPattern,
    timeoutMs: confirm.timeoutMs,
    submitTimeoutMs: settings.submitTimeoutMs,
    maxResponseBytes: confirm.maxResponseBytes,
    clock,
    random,
  })
  const isId = idMatcher(options.idPattern)
  const { assistants } = client
  const stop: Stop & { stopped: boolean } = { stopped: false }
  const timeout = new SharedTimer(runs.timeoutMs, clock)
  const store = boundedStore(settings.store, new SharedTimer(storeTimeoutMs, clock))
  let closing: Promise<void> | undefined
  const isClosing = (): boolean => closing !== undefined

  const urls =
    settings.callbackUrl === null
      ? null
      : createCallbackUrls(settings.callbackUrl, settings.callbackSecrets, () => clock.now())
  const rulesFor = (action: string): ActionRules | null =>
    settings.actions.get(action) ?? (settings.fallback === null ? null : {})
  const watch = watchTokens(settings.emit)
  const emit: EventListener = (event) => {
    settings.emit(event)
    watch(event)
    if (event.type === 'completed' || event.type === 'parked') waits.tell(event.approvalId)
  }
  const core = createContext(
    { ...settings, emit },
    { store, client, manyAssistants: assistants !== null, rulesFor, isClosing },
  )
  const pipeline = new Pipeline({
    core,
    emit,
    clock,
    guarantee,
    maxAttempts: runs.maxAttempts,
    leaseMs: runs.leaseMs,
    renewal: new SharedTimer(runs.leaseMs / 3, clock),
    timeout,
    grace: new SharedTimer(runs.leaseMs, clock),
    stop,
    handlerFor: (action) => handlerFor(action, settings),
    isSwept: () => isSwept(),
  })
  const sweeper = new Sweeper({
    ...{ store, pipeline, emit, clock, random },
    concurrency: polling.concurrency,
    leaseMs: runs.leaseMs,
    settle: (ref) =>
      settleReservation(ref, { core, client, adopt: settings.adopt, submitTimeoutMs: settings.submitTimeoutMs }),
  })
  const isSwept = (): boolean => sweep === 'elsewhere' || sweeper.running
  const ready = checkOnce(store, emit)
  const noticeNoSweep = onceEach(1, () => emit({ type: 'not-sweeping' }))
  const endpoint = new Endpoint({
    ...{ pipeline, emit, clock, isClosing, isSwept, ready },
    intake: requestRules(settings, isId, urls?.read),
    maxInFlight: callbacks.maxInFlight,
    ack: new SharedTimer(callbacks.ackAfterMs, clock),
  })

  const waits = new CompletionWaits(core, pipeline, isSwept)
  const submitter = new Submitter({
    ...{ core, client, pipeline, isId, urls, rulesFor, assistants },
    expiresAfterMs: settings.expiresAfterMs,
    retentionMs: settings.retentionMs,
    submitTimeoutMs: settings.submitTimeoutMs,
    cameEarly: (id) => endpoint.cameEarly(id),
  })

  const handle = (callback: Callback, handleOptions?: HandleOptions): Promise<CallbackResponse> => {
    if (!isSwept()) noticeNoSweep('')
    return endpoint.handle(callback, handleOptions)
  }
  const checkId = (approvalId: string): void => {
    if (typeof approvalId !== 'string' || !isId(approvalId))
      throw new CheqpointError('id-invalid', 'the approval id does not match idPattern')
  }
  const demandOpen = (): void => {
    if (isClosing()) throw new CheqpointError('receiver-closed', 'the receiver was closed')
  }
  const usable = async (): Promise<void> => {
    demandOpen()
    await ready()
    demandOpen()
  }

  return {
    handle,
    fetch: async (request, handleOptions) => toWebResponse(await handle(fromRequest(request), handleOptions)),
    async track(approvalId, tracked) {
      checkId(approvalId)
      const draft = writeDraft(tracked, assistants, clock.now() + settings.expiresAfterMs)
      await usable()
      if (!isSwept()) noticeNoSweep('')
      const dueInMs = endpoint.cameEarly(approvalId) ? 0 : nextPollMs(0, polling, random)
      const added = (await store.add({ ...draft, id: approvalId }, { dueInMs })) === 'added'
      // A callback that came while this was being written was refused, and may not come again.
      if (endpoint.cameEarly(approvalId)) await store.knock(approvalId, { withinMs: 0 })
      return added
    },
    async submit(request, ...[submitOptions]) {
      await usable()
      if (!isSwept()) noticeNoSweep('')
      // Whatever the schema takes, the details are an object: `submit` of the submitter checks that at run time.
      return submitter.submit(request as SubmitRequest, submitOptions ?? {})
    },
    callbackUrl() {
      if (urls === null)
        throw new CheqpointError('option-missing', 'option callbackUrl is required to make callback URLs')
      return makeCallbackUrl(urls, clock.now() + settings.expiresAfterMs + settings.retentionMs)
    },
    async wait(approvalId, waitOptions = {}) {
      checkId(approvalId)
      await usable()
      return waits.wait(approvalId, waitOptions)
    },
    async unconfirmed({ limit = 100, cursor } = {}) {
      const page = await store.reservations({ limit, cursor })
      return { items: page.items.map(readUnconfirmed), cursor: page.cursor }
    },
    async discard(ref) {
      return store.discard(ref)
    },
    async resolve(approvalId) {
      checkId(approvalId)
      await usable()
      return pipeline.resolve(approvalId, 'manual')
    },
    async reconcile(reconcileOptions) {
      await usable()
      return sweeper.reconcile(reconcileOptions)
    },
    async start() {
      await usable()
      if (sweep === 'here') sweeper.start()
    },
    close({ drainMs = 10_000 } = {}) {
      closing ??= (async () => {
        waits.close()
        // A store that does not answer must not hold this up.
        await within(
          sweeper.stop().then(async () => {
            await submitter.idle()
            await pipeline.idle()
          }),
          Math.min(drainMs, longestTimer),
        )
        stop.stopped = true
        timeout.fireAll()
        await within(pipeline.idle(), abortGraceMs)
        await client.close()
      })()
      return closing
    },
    async stats() {
      return {
        ...(await store.stats()),
        inFlight: endpoint.inFlight,
        working: pipeline.size,
        sweeping: sweeper.running,
      }
    },
    async parked({ limit = 100, cursor } = {}) {
      const page = await store.list({ state: 'parked', limit, cursor })
      return { items: page.items.flatMap(readParked), cursor: page.cursor }
    },
    async retry(approvalId) {
      checkId(approvalId)
      return store.retry(approvalId)
    },
    async cancel(approvalId) {
      checkId(approvalId)
      return store.cancel(approvalId, settings.retentionMs)
    },
  }
}

function handlerFor(action: string, { actions, fallback }: ResolvedReceiverOptions): Handler | null {
  return actions.get(action)?.handler ?? fallback
}

/** Looks at the store before its first use, and again until it answers. Nothing to wait for once it has. */
function checkOnce(store: Store, emit: EventListener): () => Promise<void> | undefined {
  let checked = false
  let checking: Promise<void> | undefined
  const check = async (): Promise<void> => {
    try {
      for (const message of await store.check()) emit({ type: 'store-warning', message })
      checked = true
    } finally {
      checking = undefined
    }
  }
  return () => {
    if (checked) return undefined
    checking ??= check()
    return checking
  }
}

/** Resolves with the promise, or after so long without it. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
