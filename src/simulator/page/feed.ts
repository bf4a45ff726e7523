// Not the global, so that the page works in tests that fake timers.
import { setTimeout } from 'node:timers'
import type { JsonValue } from '../../util/json.js'
import type { SimulatedRequest } from '../requests.js'
import type { Simulator } from '../simulator.js'
import type { DeliveryView, News, RequestView } from './view.js'

export interface FeedDeps {
  readonly simulator: Pick<Simulator, 'subscribe' | 'list' | 'deliveries' | 'requests' | 'faults'>
  readonly apiKey: string
  readonly rule: () => News['rule']
  readonly closing: AbortSignal
}

/** Keeps open pages up to date, by server-sent events. */
export interface Feed {
  /** Opens the stream of one page. */
  open(): ReadableStream<Uint8Array>
  /** Sends the present faults and rule to the pages. */
  touch(): void
}

type Page = ReadableStreamDefaultController<Uint8Array>

/** Number of items of each kind to show. */
const keep = 200

/** Number of levels of details to show. */
const deepest = 100

/** A page with more unread messages than this is disconnected. It reconnects and starts afresh. */
const longestQueue = 100

export function createFeed({ simulator, apiKey, rule, closing }: FeedDeps): Feed {
  const pages = new Set<Page>()
  const requests = new Map<string, RequestView>()
  const deliveries = new Map<string, DeliveryView>()
  let due = false

  function news(fresh: boolean): News {
    const calls = simulator.requests().slice(-keep)
    const common = { fresh, keep, apiKey, calls, faults: simulator.faults, rule: rule() }
    if (!fresh) return { ...common, requests: [...requests.values()], deliveries: [...deliveries.values()] }
    const all = simulator.list()
    // Decided requests must not push pending ones out of the list.
    const open = all.filter(({ status }) => status === 'pending').slice(-keep)
    const decided = all.filter(({ status }) => status !== 'pending').slice(-keep)
    return { ...common, requests: [...open, ...decided].map(view), deliveries: simulator.deliveries().slice(-keep) }
  }

  function send(page: Page, message: News): void {
    page.enqueue(new TextEncoder().encode(`retry: 1000\ndata: ${JSON.stringify(message)}\n\n`))
    if (page.desiredSize === null || page.desiredSize > 0) return
    pages.delete(page)
    page.close()
  }

  /** Sends changes that come close together in one message. */
  function touch(): void {
    if (due || pages.size === 0) return
    due = true
    setTimeout(() => {
      due = false
      const message = news(false)
      requests.clear()
      deliveries.clear()
      for (const page of pages) send(page, message)
    }, 20).unref()
  }

  simulator.subscribe((change) => {
    if (pages.size === 0) return
    if (change.type === 'request') requests.set(change.request.id, view(change.request))
    if (change.type === 'delivery') deliveries.set(change.delivery.id, change.delivery)
    touch()
  })
  function end(): void {
    for (const page of pages) page.close()
    pages.clear()
  }
  closing.addEventListener('abort', end)

  return {
    touch,
    open() {
      let own: Page | undefined
      const start = (page: Page): void => {
        own = page
        pages.add(page)
        send(page, news(true))
        if (closing.aborted) end()
      }
      const cancel = (): void => {
        if (own !== undefined) pages.delete(own)
      }
      return new ReadableStream({ start, cancel }, { highWaterMark: longestQueue })
    },
  }
}

/** Replaces details that are nested too deeply: writing them as JSON would exhaust the stack, here or in the browser. */
function view(request: SimulatedRequest): RequestView {
  const { submission, modifiedDetails } = request
  if (!isDeeper(submission, deepest) && !isDeeper(modifiedDetails, deepest)) return request
  const instead = { '…': `nested more than ${deepest} levels deep, so not shown` }
  return {
    ...request,
    details: instead,
    submission: instead,
    modifiedDetails: modifiedDetails === null ? null : instead,
  }
}

function isDeeper(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1))
}
