import type { FastifyPluginAsync, FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload } from 'fastify'
import { CheqpointError, fromIncoming, type Receiver } from '../src/index.js'

/**
 * Fastify plugin that responds to Cheqpoint callbacks at the prefix it is registered with. Hooks of the app run as for
 * any route. The receiver reads the bodies of this route itself, within its own limits; other routes keep their
 * parsers. Throws `argument-invalid` if `receiver` is not a receiver.
 *
 * @example
 * ```ts
 * app.register(fastifyCallback(receiver), { prefix: '/webhooks/cheqpoint' })
 * ```
 */
export function fastifyCallback(receiver: Pick<Receiver, 'handle'>): FastifyPluginAsync {
  if (typeof receiver?.handle !== 'function') {
    const fix = 'pass what createReceiver(options) returned'
    throw new CheqpointError('argument-invalid', `fastifyCallback() takes a receiver; ${fix}`)
  }
  /** Streams that a `preParsing` hook returned in place of the request. */
  const replaced = new WeakMap<FastifyRequest, RequestPayload>()
  const respond = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    // Plugins keep the bytes in `rawBody`; once a hook has waited, the stream may be read to its end.
    const { rawBody }: { readonly rawBody?: unknown } = Object(request)
    const callback = fromIncoming(request.raw, { url: request.originalUrl, parsed: request.body ?? rawBody })
    const stream = replaced.get(request)
    const answer = await receiver.handle(stream ? { ...callback, body: { ...callback.body, stream } } : callback)
    // Node.js reads the rest of the request itself, but not if it was piped.
    stream?.resume()
    // Another hook, such as a time-out, may have responded meanwhile.
    if (reply.sent) return reply
    // For a text, Fastify would add a charset to the content type; for HEAD it sends the length of the body.
    const body = Buffer.from(request.method === 'HEAD' ? '' : answer.body)
    return reply.code(answer.status).headers(answer.headers).send(body)
  }
  return async function cheqpointCallback(app): Promise<void> {
    if (typeof app.removeAllContentTypeParsers !== 'function') {
      const fix = "app.register(fastifyCallback(receiver), { prefix: '/webhooks/cheqpoint' })"
      throw new CheqpointError('argument-invalid', `fastifyCallback() makes a plugin, not a handler; call ${fix}`)
    }
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_, __, done) => done(null))
    const observe: preParsingHookHandler = (request, _, payload, done) => {
      if (payload !== request.raw) replaced.set(request, observed(payload, request))
      done(null, payload)
    }
    // Last, after the hooks that plugins of the app add to each route. A parser would not see every request.
    app.addHook('onRoute', (route) => {
      route.preParsing = [route.preParsing ?? [], observe].flat()
    })
    app.all('/', {
      handler: respond,
      // Fastify refuses some content types before it calls a parser, with a response of its own.
      errorHandler: (error, request, reply) =>
        error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' ? respond(request, reply) : reply.send(error),
    })
  }
}

/** One that fails may have no other listener, and leaves the rest of the request unread. */
function observed(stream: RequestPayload, { raw }: FastifyRequest): RequestPayload {
  return stream.on('error', () => {}).on('close', () => raw.resume())
}
