import type { Listener, Sender, Sending } from './exchange.js'

/**
 * Sends with the `fetch` of the runtime, for runtimes without undici. `fetch` does not show whether a connection was
 * used before, so no GET is repeated.
 */
export function createFetchSender(): Sender {
  const underWay = new Set<Promise<void>>()
  return {
    hidesReuse: true,
    dispatch(request, listener) {
      // Most runtimes respect this variable, and have no option to override it.
      if (request.origin.startsWith('https:') && process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
        throw Object.assign(new Error('certificates are not checked'), { code: 'NODE_TLS_REJECT_UNAUTHORIZED' })
      }
      const work = send(request, listener)
      underWay.add(work)
      void work.then(() => underWay.delete(work))
    },
    async close() {
      await Promise.all(underWay)
    },
  }
}

/** Never rejects: every failure goes to the listener. */
async function send({ origin, path, method, headers, body }: Sending, listener: Listener): Promise<void> {
  const stop = new AbortController()
  const controller = { abort: (reason: Error) => stop.abort(reason) }
  try {
    // Before `fetch`: from then on the request may have been sent.
    listener.onRequestStart(controller)
    // Frameworks add a cache to fetch, which would answer instead of the API.
    const manner = { redirect: 'manual', cache: 'no-store', signal: stop.signal } as const
    const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : []))
    const response = await fetch(origin + path, { ...manner, method, headers: pairs, body })
    listener.onResponseStart(controller, response.status, Object.fromEntries(response.headers))
    const reader = response.body?.getReader()
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      listener.onResponseData(controller, Buffer.from(part.value))
    }
    listener.onResponseEnd()
  } catch (error) {
    // In Node.js only the cause shows what happened.
    listener.onResponseError(controller, error instanceof Error ? (error.cause ?? error) : error)
  }
}
