import type { Context, Handler, HonoRequest } from 'hono'
import { type Callback, fromRequest, type Receiver, toWebResponse } from '../src/index.js'

/**
 * Hono handler that answers Cheqpoint callbacks, on Node.js and wherever else Hono runs on it. A body that earlier
 * middleware read through `c.req` is used as it was read; a body of declared length may be read there again later.
 * Hands its work to `waitUntil` where the host has one. Never rejects.
 *
 * @example
 * ```ts
 * app.post('/webhooks/cheqpoint', honoCallback(receiver))
 * ```
 */
export function honoCallback(receiver: Pick<Receiver, 'handle'>): Handler {
  return async function cheqpointCallback(context: Context): Promise<Response> {
    const { req } = context
    const wasRead = Object.keys(req.bodyCache).length > 0
    // Hono keeps what is read through it.
    const callback = wasRead ? await readAgain(req) : fromRequest(req.raw, { whole: () => req.arrayBuffer() })
    return toWebResponse(await receiver.handle(callback, { waitUntil: waitUntilOf(context) }))
  }
}

async function readAgain(req: HonoRequest): Promise<Callback> {
  const parsed = await req.arrayBuffer().catch(() => null)
  return { ...fromRequest(req.raw), body: parsed === null ? { drained: true } : { parsed } }
}

/** `executionCtx` throws where the host has none; a server of Node.js, which gives `incoming` instead, never has. */
function waitUntilOf(context: Context): ((work: Promise<unknown>) => void) | undefined {
  if (context.env?.incoming !== undefined) return undefined
  try {
    const { executionCtx } = context
    return (work) => executionCtx.waitUntil(work)
  } catch {
    return undefined
  }
}
