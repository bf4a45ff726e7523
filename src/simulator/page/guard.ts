import type { MiddlewareHandler } from 'hono'
import type { SimulatorEnv } from '../calls.js'
import { loopbackHost } from '../origin.js'

/** Nothing but the page's own files; no text becomes markup or script; nobody frames it. */
const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** What a proxy or a tunnel adds: behind one, the peer on this machine stands for others. */
const forwarding = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

const loopbackPeer = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/

/**
 * Lets the page be used by nobody but the person at this machine. The page asks for no password, shows a key and
 * decides approvals, so a web site open in the same browser must not reach it:
 *
 * - The peer must be this machine, without a proxy or a tunnel in between.
 * - `Host` must name this machine. A site that has its own name resolve to 127.0.0.1 still sends its own name.
 * - `Origin`, where there is one, must be the page's own. Nothing here allows another by CORS, so none can read either.
 * - What changes something must be declared as JSON. A form cannot do that, and a script of another site has to ask
 *   before it may, which is not answered.
 *
 * Cheqpoint's own endpoints are not concerned: they ask for a key, and a browser adds none by itself.
 */
export const guard: MiddlewareHandler<SimulatorEnv> = async (c, next) => {
  const host = c.req.header('host') ?? new URL(c.req.url).host
  const origin = c.req.header('origin')
  const peer = c.env?.incoming?.socket.remoteAddress
  if (peer !== undefined && !loopbackPeer.test(peer)) {
    c.res = c.text('The page answers to this machine only.\n', 403)
  } else if (forwarding.some((name) => c.req.header(name) !== undefined)) {
    c.res = c.text('The page answers to no proxy and no tunnel.\n', 403)
  } else if (!loopbackHost.test(host)) {
    c.res = c.text('The page answers to localhost, 127.0.0.1 and [::1] only.\n', 403)
  } else if (origin !== undefined && origin !== `http://${host}`) {
    c.res = c.text('The page answers to no other origin.\n', 403)
  } else if (c.req.method === 'POST' && !/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
    c.res = c.text('Send application/json.\n', 415)
  } else {
    await next()
  }
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
}
