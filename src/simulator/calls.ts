import type { Clock, Random } from '../util/clock.js'
import { type Faults, takeApiFault } from './faults.js'
import type { Keys } from './keys.js'
import { pause } from './pause.js'
import type { Answer, Asked } from './server.js'

/** One API call, without its key. An immutable snapshot. */
export interface ApiCall {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** Name of the assistant whose key was sent; `null` if there is only one, or if the key is unknown. */
  readonly assistant: string | null
  /** `null` before the response, and if a fault dropped the response. */
  readonly status: number | null
  /** ISO 8601. */
  readonly at: string
}

export interface GateDeps {
  readonly keys: Keys
  readonly faults: Faults
  readonly clock: Clock
  readonly random: Random
  readonly closing: AbortSignal
  readonly onChange: (call: ApiCall) => void
  readonly endpoints: (asked: Asked, assistant: string | null) => Promise<Response>
}

/** Logs calls, applies API faults and checks the key before a call reaches an endpoint. */
export interface Gate {
  readonly answer: Answer
  calls(): readonly ApiCall[]
}

/** A `Host` that always means this machine. */
export const loopbackHost: RegExp = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

export function createGate({ keys, faults, clock, random, closing, onChange, endpoints }: GateDeps): Gate {
  const log: ApiCall[] = []

  async function answer(asked: Asked): Promise<Response> {
    const { request, path, socket } = asked
    if (isWebSite(request)) return refusal(403, 'The simulator only accepts pages of this machine')
    const { method } = request
    const assistant = keys.get(request.headers.get('x-api-key') ?? '')
    const at = new Date(clock.now()).toISOString()
    const call: ApiCall = { method, path, assistant: assistant ?? null, status: null, at }
    const index = log.push(call) - 1
    onChange(call)

    const response = await answerOrFail(asked, assistant)
    await pause(faults.slowMs, [closing])
    const lost = faults.loseSubmitResponse && method === 'POST' && response.ok
    const answered = { ...call, status: lost ? null : response.status }
    log[index] = answered
    onChange(answered)
    if (!lost) return response
    socket?.destroy()
    // Only a caller without a socket gets this; it is what a proxy sends if the upstream response is lost.
    return refusal(502, 'The answer was lost')
  }

  async function answerOrFail(asked: Asked, assistant: string | null | undefined): Promise<Response> {
    const fault = takeApiFault(faults, random)
    if (fault !== null) {
      const headers = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) }
      return Response.json({ error: 'Simulated fault' }, { status: fault.status, headers })
    }
    if (assistant === undefined) return refusal(401, 'Missing or unknown x-api-key')
    return endpoints(asked, assistant).catch((error: unknown) => refusal(500, String(error)))
  }

  return {
    async answer(asked) {
      const response = await answer(asked)
      // Receivers use it to check expiry.
      response.headers.set('date', new Date(clock.now()).toUTCString())
      return response
    },
    calls: () => [...log],
  }
}

/** Requests of web sites in a browser have an `Origin`; requests of agents have none. */
function isWebSite({ headers }: Request): boolean {
  const origin = headers.get('origin')
  return origin !== null && !loopbackHost.test(/^https?:\/\/(.*)$/.exec(origin)?.[1] ?? '')
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status })
}
