import { loopbackHost } from '../calls.js'
import type { Answer, Asked } from '../server.js'

/** Allows only the page's own files, no inline markup or script, and no framing. */
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

/** Headers of proxies and tunnels: behind one, a peer on this machine may forward for another. */
const forwarding = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

const loopbackPeer = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/

/**
 * Restricts the page to the user of this machine. The page needs no password, shows a key and decides approvals, so a
 * web site in the same browser must not reach it:
 *
 * - The peer must be this machine, without a proxy or a tunnel in between.
 * - `Host` must name this machine. A site whose name resolves to 127.0.0.1 still sends its own name.
 * - `Origin`, if present, must be the page's own. CORS allows no other origin, so no other site can read responses.
 * - A request that changes something must be declared as JSON. A form cannot do that, and a script of another site
 *   needs a preflight, which is not answered.
 *
 * Cheqpoint's own endpoints are exempt: they require a key, and a browser adds none by itself.
 */
export function guarded(answer: Answer): Answer {
  return async (asked) => {
    const refusal = refusalOf(asked)
    const response = refusal === null ? await answer(asked) : new Response(`${refusal[1]}\n`, { status: refusal[0] })
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
    return response
  }
}

function refusalOf({ request, socket }: Asked): readonly [status: number, why: string] | null {
  const { method, url, headers } = request
  const host = headers.get('host') ?? new URL(url).host
  const origin = headers.get('origin')
  // Without a socket, the caller is in this process.
  if (socket !== undefined && !loopbackPeer.test(socket.remoteAddress ?? '')) {
    return [403, 'The page is only available on this machine.']
  }
  if (forwarding.some((name) => headers.has(name))) return [403, 'The page is not available through a proxy or tunnel.']
  if (!loopbackHost.test(host)) return [403, 'The page is only available as localhost, 127.0.0.1 and [::1].']
  if (origin !== null && origin !== `http://${host}`) return [403, 'The page refuses requests of other origins.']
  const isJson = /^application\/json\b/i.test(headers.get('content-type') ?? '')
  return method === 'POST' && !isJson ? [415, 'Send application/json.'] : null
}
