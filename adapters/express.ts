import type { Request, RequestHandler, Response } from 'express'
import { CheqpointError, fromIncoming, type Receiver } from '../src/index.js'

/**
 * Express middleware that responds to Cheqpoint callbacks. Works under `app.post`, `app.all` and `app.use`, at any
 * path, with or without a body parser before it. Never calls `next` and never rejects. Throws `argument-invalid` if
 * `receiver` is not a receiver.
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
    const answer = await receiver.handle(fromIncoming(request, { url: request.originalUrl }))
    // Other middleware, such as a time-out, may have responded meanwhile.
    if (response.headersSent) return
    response.statusCode = answer.status
    for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
    response.end(answer.body)
  }
}
