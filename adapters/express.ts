import type { Request, RequestHandler, Response } from 'express'
import { CheqpointError, fromIncoming, type Receiver } from '../src/index.js'

/**
 * Express middleware that answers Cheqpoint callbacks. Works under `app.post`, `app.all` and `app.use`, at any path,
 * with any body parser before it or none. Never calls `next` and never rejects. Throws `argument-invalid` for something
 * that is no receiver.
 *
 * @example
 * ```ts
 * app.post('/webhooks/cheqpoint', expressCallback(receiver))
 * ```
 */
export function expressCallback(receiver: Pick<Receiver, 'handle'>): RequestHandler {
  if (typeof receiver?.handle !== 'function') {
    const fix = 'pass what createReceiver(options) returned'
    throw new CheqpointError('argument-invalid', `expressCallback() takes a receiver; ${fix}`)
  }
  return async function cheqpointCallback(request: Request, response: Response): Promise<void> {
    // Another body than a parser's may stand there: the types of Express call it `any`.
    const parsed: unknown = request.body
    const answer = await receiver.handle(fromIncoming(request, { url: request.originalUrl, parsed }))
    // Something else, such as a time-out, may have answered meanwhile.
    if (response.headersSent) return
    response.statusCode = answer.status
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
    response.end(answer.body)
  }
}
