import { type CallbackPayload, parseCallback } from '../cheqpoint/wire.js'
import type { Refusal } from '../model/outcome.js'
import { invalid } from '../options/option-checks.js'
import type { ResolvedPipelineOptions } from '../options/read-pipeline-options.js'
import { onceEach } from '../util/once-each.js'
import { type BodyLimits, type CallbackBody, readBody, UnreadBodies } from './body.js'

/** An HTTP request, independent of any framework. */
export interface Callback {
  readonly method: string
  /** Path and query, or the whole URL. */
  readonly url: string
  /** Every value that was sent under this name, in lower case; a host that joins them gives the joined text. */
  header(name: string): readonly string[]
  readonly body: CallbackBody
  /** Over HTTP/2 and later no response may have a `connection` header. Default 1. */
  readonly httpMajor?: number | undefined
}

/** Whether this is a {@link Callback}. Requests of some hosts have a `header` function too. */
export function isCallback(value: unknown): value is Callback {
  const { header, rawHeaders }: { header?: unknown; rawHeaders?: unknown } = Object(value)
  if (typeof header !== 'function' || rawHeaders !== undefined) return false
  // Read only now: some platforms parse the body of their requests on access.
  const { body }: { body?: unknown } = Object(value)
  if (typeof body !== 'object' || body === null) return false
  return 'stream' in body || 'parsed' in body || 'alreadyRead' in body
}

/** The bodies that are being received. */
export interface ReceivedBodies {
  readonly unread: UnreadBodies
  /** Those with a valid token have limits of their own. */
  readonly proven: UnreadBodies
}

export interface RequestRules extends BodyLimits, ReceivedBodies {
  readonly agents: ReadonlySet<string>
  readonly isId: (id: string) => boolean
  /** Our reference in the valid token of the URL, or `null`; absent if tokens are off. */
  readonly readRef?: ((url: string) => string | null) | undefined
  /** Whether a callback without a valid token is refused; otherwise it is unproven. */
  readonly needsToken: boolean
  /** Called with each refused agent header. */
  readonly onOtherAgent: (agent: string) => void
}

/** A callback that passed the checks. Only its id is acted on; the rest of its payload is compared and reported. */
export interface PlausibleCallback {
  readonly kind: 'plausible'
  readonly payload: CallbackPayload
  /** The reference that its token proved; `undefined` without a valid token. */
  readonly ref: string | undefined
}

/**
 * The checks that need neither the store nor the API, cheapest first: method, agent, token, content type and coding,
 * length, body, shape and id. What fails before the body is refused without reading it. `onProven` is called before the
 * body is read, if the token is valid.
 */
export async function checkRequest(
  callback: Callback,
  rules: RequestRules,
  onProven: () => void = () => {},
): Promise<PlausibleCallback | Refusal> {
  if (callback.method !== 'POST') return { kind: 'method-not-allowed' }
  const agent = single(headerOf(callback, 'user-agent'))
  if (agent === undefined || !rules.agents.has(agent)) {
    if (agent !== undefined) rules.onOtherAgent(agent)
    return { kind: 'agent-refused' }
  }
  const ref = rules.readRef?.(callback.url) ?? undefined
  if (ref === undefined && rules.needsToken) return { kind: 'token-refused' }
  if (!isPlainJson(callback)) return { kind: 'media-type-refused' }
  const length = headerOf(callback, 'content-length')
  if (length.some((value) => !/^\d+$/.test(value))) return { kind: 'malformed' }
  if (declaresTooMuch(length, rules)) return { kind: 'body-too-large' }
  const isKnown = length.length === 1 && headerOf(callback, 'transfer-encoding').length === 0
  if (ref !== undefined) onProven()
  const limits = { maxBytes: rules.maxBytes, unread: ref === undefined ? rules.unread : rules.proven }
  const body = await readBody(callback.body, limits, isKnown ? Number(length[0]) : undefined)
  if ('kind' in body) return body
  const payload = parseCallback(body.value)
  return payload === null || !rules.isId(payload.id) ? { kind: 'malformed' } : { kind: 'plausible', payload, ref }
}

/** Whether a `content-length` is over the limit. */
export function declaresTooMuch(length: readonly string[], { maxBytes }: Pick<BodyLimits, 'maxBytes'>): boolean {
  return length.some((value) => Number(value) > maxBytes)
}

/** Whether it is JSON in UTF-8 without a content coding. A missing type passes: the vendor documents none. */
function isPlainJson(callback: Callback): boolean {
  const codings = headerOf(callback, 'content-encoding').flatMap((value) => value.split(','))
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'identity')) return false
  const given = headerOf(callback, 'content-type')
  if (given.length === 0 || single(given) === 'application/json') return true
  const types = given.flatMap((value) => value.split(','))
  const [type = '', ...parameters] = (single(types) ?? '').toLowerCase().split(';')
  const name = type.trim()
  if (name !== 'application/json' && !(name.startsWith('application/') && name.endsWith('+json'))) return false
  return parameters.every((parameter) => {
    const [key = '', value = ''] = parameter.split('=')
    return key.trim() !== 'charset' || /^"?utf-?8"?$/.test(value.trim())
  })
}

/** Every value of a header. Throws `argument-invalid` for a callback made by hand whose `header` returns no list. */
export function headerOf(callback: Callback, name: string): readonly string[] {
  const values: readonly unknown[] = callback.header(name)
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values
  const allowed = "a list of the header's values, empty if it was not sent"
  throw invalid(`header('${name}') of a callback`, values, allowed, 'argument')
}

/** The only value of a header; `undefined` if there are none or several. */
function single(values: readonly string[]): string | undefined {
  return values.length === 1 ? values[0] : undefined
}

/** Memory for incomplete bodies. A genuine one seldom has more than a few thousand bytes. */
const maxUnreadBytes = 32 * 1_048_576

const otherVersion = /^Cheqpoint-Callback\/[\w.]{1,32}$/

export function createBodies({ callbacks }: ResolvedPipelineOptions): ReceivedBodies {
  const { maxBodyBytes, maxUnreadBodies, bodyTimeoutMs } = callbacks
  const limits = {
    max: maxUnreadBodies,
    maxBytes: Math.max(maxUnreadBytes, maxBodyBytes),
    timeoutMs: bodyTimeoutMs,
  }
  return { unread: new UnreadBodies(limits), proven: new UnreadBodies(limits) }
}

/** The rules that callbacks are checked against before the pipeline. */
export function requestRules(
  options: ResolvedPipelineOptions,
  isId: (id: string) => boolean,
  tokens: Pick<RequestRules, 'readRef' | 'needsToken'>,
  bodies: ReceivedBodies = createBodies(options),
): RequestRules {
  const { agents, callbacks, emit } = options
  const onVersion = onceEach(16, (agent) => emit({ type: 'agent-version', agent }))
  return {
    ...tokens,
    ...bodies,
    agents,
    isId,
    maxBytes: callbacks.maxBodyBytes,
    onOtherAgent: (agent) => {
      if (otherVersion.test(agent)) onVersion(agent)
    },
  }
}
