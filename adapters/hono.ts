import type { Context, Handler, HonoRequest } from 'hono'
import { type Callback, CheqpointError, fromRequest, type Receiver, toWebResponse } from '../src/index.js'

/**
 * Hono handler that answers Cheqpoint callbacks, on Node.js and wherever else Hono runs on it. A body that earlier
 * middleware read through `c.req` is used as it was read; a body of declared length may be read there again later.
 * Hands its work to `waitUntil` where the host has one. Never rejects. Throws `argument-invalid` for something that is no
 * receiver.
 *
 * @example
 * ```ts
 * app.post('/webhooks/cheqpoint', honoCallback(receiver))
 * ```
 */
export function honoCallback(receiver: Pick<Receiver, 'handle'>): Handler {
  if (typeof receiver?.handle !== 'function') {
    const fix = 'pass what createReceiver(options) returned'
    throw new CheqpointError('argument-invalid', `honoCallback() takes a receiver; ${fix}`)
  }
  return async function cheqpointCallback(context: Context): Promise<Response> {
    const { req } = context
    const wasRead = Object.keys(req.bodyCache).length > 0
    // Hono keeps what is read through it.
    const callback = wasRead ? await readAgain(req) : fromRequest(req.raw, { whole: () => req.arrayBuffer() })
    // A server of Node.js shows its own request; HTTP/2 has rules of its own for headers.
    const httpMajor: unknown = context.env?.incoming?.httpVersionMajor
    const versioned = typeof httpMajor === 'number' ? { ...callback, httpMajor } : callback
    return toWebResponse(await receiver.handle(versioned, { waitUntil: waitUntilOf(context) }))
  }
}

async function readAgain(req: HonoRequest): Promise<Callback> {
  const parsed = await req.arrayBuffer().catch(() => null)
  return { ...fromRequest(req.raw), body: parsed === null ? { alreadyRead: true } : { parsed } }
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
