import type { Context, Handler, HonoRequest } from 'hono'
import { type Callback, CheqpointError, fromRequest, type Receiver, toWebResponse } from '../src/index.js'

/**
 * Hono handler that responds to Cheqpoint callbacks, on Node.js and other hosts of Hono. Uses a body that earlier
 * middleware read through `c.req`; later middleware can read a body of declared length again. Passes its work to
 * `waitUntil` if the host has one. Never rejects. Throws `argument-invalid` if `receiver` is not a receiver.
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
    // On a Node.js server `env.incoming` is its request; HTTP/2 has other rules for headers.
    const httpMajor: unknown = context.env?.incoming?.httpVersionMajor
    const callback = fromRequest(req.raw, {
      whole: () => req.arrayBuffer(),
      httpMajor: typeof httpMajor === 'number' ? httpMajor : undefined,
    })
    const wasRead = Object.keys(req.bodyCache).length > 0
    const given = wasRead ? { ...callback, body: await readAgain(req) } : callback
    return toWebResponse(await receiver.handle(given, { waitUntil: waitUntilOf(context) }))
  }
}

/** Hono caches a body that is read through `c.req`. */
async function readAgain(req: HonoRequest): Promise<Callback['body']> {
  const parsed = await req.arrayBuffer().catch(() => null)
  return parsed === null ? { alreadyRead: true } : { parsed }
}

/** `executionCtx` throws if the host has none; a Node.js server, which has `incoming`, never has one. */
function waitUntilOf(context: Context): ((work: Promise<unknown>) => void) | undefined {
  if (context.env?.incoming !== undefined) return undefined
  try {
    const { executionCtx } = context
    return (work) => executionCtx.waitUntil(work)
  } catch {
    return undefined
  }
}
