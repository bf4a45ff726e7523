import type { Callback } from 'cheqpoint-callback'
import type { Dispatcher } from 'undici'
import { agent } from './by-hand.js'

/* Callbacks and an API without HTTP and without a network, for what is measured in one process. */

/** The response of the API about an approval. */
export function approved(id: string): string {
  return `{"id":"${id}","status":"APPROVED","modifiedDetails":null,"decisionNote":"Fine.","decidedAt":"2026-11-20T09:00:00.000Z"}`
}

const instant = {
  dispatch({ path }: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const bytes = Buffer.from(approved(path.slice(path.lastIndexOf('/') + 1)))
    // The library uses nothing of a controller but `abort`, and that not here.
    const controller = { abort() {} } as unknown as Dispatcher.DispatchController
    queueMicrotask(() => {
      handler.onRequestStart?.(controller, {})
      handler.onResponseStart?.(controller, 200, { 'content-length': String(bytes.length) }, 'OK')
      handler.onResponseData?.(controller, bytes)
      handler.onResponseEnd?.(controller, {})
    })
    return true
  },
}

/** An API that answers in the next microtask. */
export const instantApi = instant as unknown as Dispatcher // as far as the library uses one

/** The body of a callback about an approval. */
export function bodyOf(id: string): ArrayBuffer {
  const text = `{"approvalId":"${id}","status":"approved","modifiedDetails":null,"decisionNote":"Fine."}`
  return new TextEncoder().encode(text).buffer
}

/** A callback about an approval, from this user agent. */
export function callbackOf(id: string, from: string = agent): Callback {
  const headers: Readonly<Record<string, readonly string[]>> = {
    'user-agent': [from],
    'content-type': ['application/json'],
    'content-length': ['90'],
  }
  return {
    method: 'POST',
    url: '/hook',
    header: (name) => headers[name] ?? [],
    body: { stream: null, whole: async () => bodyOf(id) },
  }
}
