import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { CliError } from './failure.js'

/** Longer than a receiver's `ackAfterMs`. */
const timeoutMs = 10_000
/** How long to wait for a refusal before most of a long body is sent. */
const refusalMs = 500

export interface Sent {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The first 64 KiB of the body. */
  readonly body: string
  readonly ms: number
}

/** Makes one request on a new connection. Follows no redirects. Rejects if there is no response. */
export async function exchange(url: URL, { method, headers, body }: Sent): Promise<Answered> {
  const started = performance.now()
  const signal = AbortSignal.timeout(timeoutMs)
  const agent = new Agent({ pipelining: 0 })
  const large = body !== undefined && body.length > 65_536
  const all = body === undefined ? headers : { ...headers, 'content-length': String(body.length) }
  const sent = large ? Readable.from(hesitant(body)) : (body ?? null)
  try {
    const answer = await request(url, { method, headers: all, body: sent, signal, dispatcher: agent })
    const ms = Math.round(performance.now() - started)
    const chunks: Buffer[] = []
    for await (const chunk of answer.body) {
      chunks.push(chunk)
      if (Buffer.concat(chunks).length >= 65_536) break
    }
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString(), ms }
  } catch (error) {
    throw unreachable(url, signal.aborted ? 'TIMEOUT' : codeOf(error))
  } finally {
    await agent.destroy()
  }
}

/** Pauses after the first bytes: a server that refuses by length closes, and bytes in flight would lose its response. */
async function* hesitant(body: Buffer): AsyncGenerator<Buffer> {
  yield body.subarray(0, 1_024)
  await pause(refusalMs)
  yield body.subarray(1_024)
}

function codeOf(error: unknown): string {
  return error instanceof Error ? `${'code' in error ? error.code : ''} ${error.name}` : 'no error'
}

function unreachable(url: URL, code: string): CliError {
  const known = reasons.find(([pattern]) => pattern.test(code))
  const [, reason, fix] = known ?? [null, code, 'check the address and the network']
  return new CliError(3, 'unreachable', `${url.origin} could not be reached: ${reason}`, fix)
}

const reasons: readonly (readonly [code: RegExp, reason: string, fix: string])[] = [
  [/^TIMEOUT$/, `no answer within ${timeoutMs / 1_000} s`, 'check firewalls, proxies, and the handler of the route'],
  [/REFUSED/, 'nothing listens there', 'start the server, or correct host and port'],
  [/NOTFOUND|EAI_AGAIN/, 'its name cannot be resolved', 'correct the host name, or the DNS of this machine'],
  [/CERT|SIGNATURE|ISSUER|ALTNAME/, 'its certificate is not trusted', 'fix it, or name its CA in NODE_EXTRA_CA_CERTS'],
  [/HTTPParser|ERR_SSL|EPROTO/, 'it speaks another protocol', 'check host, port, and https against http'],
  [/RESET|EPIPE|UND_ERR_SOCKET/, 'the connection was cut', 'check host, port, and proxies in between'],
]
