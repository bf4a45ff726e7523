import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import type { Clock, Random } from '../index.js'
import { type Faults, takeApiFault } from './faults.js'
import type { Keys } from './keys.js'
import { pause } from './pause.js'

/** What the simulator's Hono app works with. Sockets are there only where a server listens. */
export interface SimulatorEnv {
  Bindings: Partial<HttpBindings>
  Variables: { assistant: string | null }
}

/** One API call as it came in. Never its key. A moment's view: it does not change. */
export interface ApiCall {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Name of the assistant whose key was sent; `null` where there is one only, or the key is not known. */
  readonly assistant: string | null
  /** `null` until answered, and where the answer was lost on purpose. */
  readonly status: number | null
  /** ISO 8601. */
  readonly at: string
}

export interface GateParts {
  readonly keys: Keys
  readonly faults: Faults
  readonly clock: Clock
  readonly random: Random
  readonly closing: AbortSignal
  readonly onChange: (call: ApiCall) => void
}

/** What stands between a caller and the endpoints: the log of calls, the faults of the API, the key. */
export interface Gate {
  readonly handler: MiddlewareHandler<SimulatorEnv>
  calls(): readonly ApiCall[]
}

export function createGate({ keys, faults, clock, random, closing, onChange }: GateParts): Gate {
  const log: ApiCall[] = []

  const handler: Gate['handler'] = async (c, next) => {
    const { method, path } = c.req
    const assistant = keys.get(c.req.header('x-api-key') ?? '')
    const at = new Date(clock.now()).toISOString()
    const call: ApiCall = { method, path, assistant: assistant ?? null, status: null, at }
    const index = log.push(call) - 1
    onChange(call)

    const fault = takeApiFault(faults, random)
    if (fault !== null) {
      const headers = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) }
      c.res = Response.json({ error: 'Simulated fault' }, { status: fault.status, headers })
    } else if (assistant === undefined) {
      c.res = Response.json({ error: 'Missing or unknown x-api-key' }, { status: 401 })
    } else {
      c.set('assistant', assistant)
      await next()
    }
    await pause(faults.slowMs, [closing])

    const lost = faults.loseSubmitAnswer && method === 'POST' && c.res.ok
    if (lost) {
      c.env?.incoming?.socket.destroy()
      // Only a caller without a socket sees this: what a proxy says when the answer behind it is lost.
      c.res = Response.json({ error: 'The answer was lost' }, { status: 502 })
    }
    const answered = { ...call, status: lost ? null : c.res.status }
    log[index] = answered
    onChange(answered)
  }

  return { handler, calls: () => [...log] }
}
