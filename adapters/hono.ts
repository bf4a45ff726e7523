import type { IncomingMessage } from 'node:http'
import type { Context, Handler } from 'hono'
import { type Callback, fromIncoming, fromRequest, type Receiver, toResponse } from '../src/index.js'

/**
 * Hono handler that answers Cheqpoint callbacks, on Node.js and wherever else Hono runs on it. A body that earlier
 * middleware read through `c.req` is used as it was read. Never rejects.
 *
 * @example
 * ```ts
 * app.post('/webhooks/cheqpoint', honoCallback(receiver))
 * ```
 */
export function honoCallback(receiver: Pick<Receiver, 'handle'>): Handler {
  return async function cheqpointCallback(context: Context): Promise<Response> {
    const incoming = incomingOf(context)
    const callback = await callbackOf(context, incoming)
    return toResponse(await receiver.handle(callback, incoming === null ? { waitUntil: waitUntilOf(context) } : {}))
  }
}

async function callbackOf({ req }: Context, incoming: IncomingMessage | null): Promise<Callback> {
  const callback = incoming === null ? fromRequest(req.raw) : fromIncoming(incoming)
  // Hono keeps what was read through `c.req`; what was read past it is gone.
  if (Object.keys(req.bodyCache).length === 0)
    return req.raw.bodyUsed ? { ...callback, body: { drained: true } } : callback
  return { ...callback, body: { parsed: await req.text() } }
}

/** The request of `node:http` where Hono runs on @hono/node-server: it alone tells repeated headers apart. */
function incomingOf({ env }: Context): IncomingMessage | null {
  const incoming: unknown = env?.incoming
  return typeof incoming === 'object' && incoming !== null && 'headersDistinct' in incoming
    ? (incoming as IncomingMessage)
    : null
}

/** `executionCtx` throws where the host has none. */
function waitUntilOf(context: Context): ((work: Promise<unknown>) => void) | undefined {
  try {
    const { executionCtx } = context
    return (work) => executionCtx.waitUntil(work)
  } catch {
    return undefined
  }
}
