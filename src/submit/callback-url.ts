import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Keyring } from '../cheqpoint/keys.js'
import { CheqpointError } from '../model/errors.js'
import { readExpiry } from '../options/expiry.js'
import { group, invalid } from '../options/option-checks.js'
import { randomRef } from './refs.js'

/** Where Cheqpoint sends decisions. A function makes the token a path segment or a query value of its own. */
export type CallbackUrl = string | ((token: string) => string)

/**
 * Callback URLs with a token that proves which request they belong to. The token is `ref.expiry.mac`: our reference, a
 * time in seconds (base 36), and an HMAC-SHA-256 of both. It does not confirm the decision.
 */
export interface CallbackUrls {
  /** The URL for a request of this assistant. Throws `option-invalid` as {@link createCallbackUrls} does. */
  write(ref: string, expiresAtMs: number, assistant: string | null): string
  /** The reference of the valid token in a URL, or `null`. */
  read(url: string): string | null
}

/** The keys that sign, by assistant, and all that verify. */
export type TokenKeys = Readonly<{ signing: (assistant: string | null) => KeyObject; verifying: readonly KeyObject[] }>

const shortestSecret = 16
const parameter = 'cq'
// Anchored, so that the search in a long URL takes linear time.
const tokenForm = /^[A-Za-z0-9_-]{1,64}\.[0-9a-z]{1,12}\.[A-Za-z0-9_-]{43}$/

/** Keys of secrets, newest first: the first signs, all verify. Throws `option-invalid` for a short one. */
export function keysOfSecrets(secret: unknown): TokenKeys {
  const secrets: readonly unknown[] = [secret].flat()
  const isSecret = (each: unknown): each is string => typeof each === 'string' && each.length >= shortestSecret
  const verifying = secrets.filter(isSecret).map((each) => createSecretKey(Buffer.from(each)))
  const [newest] = verifying
  if (newest === undefined || verifying.length < secrets.length) {
    const allowed = `a text of at least ${shortestSecret} characters, or a list of them`
    throw new CheqpointError('option-invalid', `option callbackSecret must be ${allowed}`)
  }
  return { signing: () => newest, verifying }
}

/** Keys derived from the API keys (HKDF-SHA-256): the first one of the request's assistant signs, all verify. */
export function keysOfApiKeys(keyrings: ReadonlyMap<string | null, Pick<Keyring, 'keys'>>): TokenKeys {
  const derive = (key: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', key, '', 'cheqpoint-callback url token v1', 32)))
  const derived = new Map([...keyrings].map(([assistant, { keys }]) => [assistant, keys.map(derive)]))
  const verifying = [...derived.values()].flat()
  const signing = (assistant: string | null): KeyObject => {
    const key = derived.get(assistant)?.[0] ?? verifying[0]
    if (key === undefined) throw new CheqpointError('option-missing', 'an API key is required to sign callback URLs')
    return key
  }
  return { signing, verifying }
}

/** Throws `option-invalid` for an invalid URL, one that has a parameter `cq`, or a function that loses the token. */
export function createCallbackUrls(target: CallbackUrl, keys: TokenKeys, now: () => number): CallbackUrls {
  if (typeof target !== 'string' && typeof target !== 'function')
    throw invalid('callbackUrl', target, 'a URL, or a function that returns one for a token')
  const build = typeof target === 'string' ? addParameter(target) : target
  const find = typeof target === 'string' ? fromParameter : fromAnywhere
  const write = (ref: string, expiresAtMs: number, assistant: string | null): string => {
    const signed = `${ref}.${Math.ceil(expiresAtMs / 1000).toString(36)}`
    const token = `${signed}.${mac(keys.signing(assistant), signed)}`
    const made = called(build, token)
    const url = parseUrl(made)
    // A server receives only the path and the query: no fragment, user or password.
    if (url === null || find(`${url.pathname}${url.search}`) !== token)
      refuse('a function that returns a URL with the token as a path segment or a query value of its own')
    return made
  }
  const read = (url: string): string | null => verify(find(url), keys.verifying, now())
  write('sample', now(), null)
  return { write, read }
}

/**
 * A callback URL with a signed token, for `verifyAndResolve`, and the reference to `register` the request with. The
 * token is valid until `expiresAt`, by default for 14 days. Throws `option-invalid` or `option-unknown`.
 */
export function createCallbackUrl(
  url: CallbackUrl,
  secret: string | readonly string[],
  options: { readonly expiresAt?: Date | undefined } = {},
): { readonly url: string; readonly ref: string } {
  const urls = createCallbackUrls(url, keysOfSecrets(secret), Date.now)
  const { expiresAt } = group(options, '', ['expiresAt'])
  const until = expiresAt === undefined ? Date.now() + 14 * 86_400_000 : readExpiry(expiresAt, Date.now(), 'option')
  const ref = randomRef()
  return { url: urls.write(ref, until, null), ref }
}

/** Reads tokens of {@link createCallbackUrl} anywhere in a URL. */
export function readTokens(secret: unknown, now: () => number): (url: string) => string | null {
  const { verifying } = keysOfSecrets(secret)
  return (url) => verify(fromAnywhere(url), verifying, now())
}

/** A function of the app may throw anything: it becomes the cause of a coded error. */
function called(build: (token: string) => string, token: string): string {
  try {
    return build(token)
  } catch (cause) {
    const why = 'option callbackUrl must be a function that returns a URL; it threw'
    throw new CheqpointError('option-invalid', why, { cause })
  }
}

function addParameter(target: string): (text: string) => string {
  const url = parseUrl(target) ?? refuse('an http or https URL')
  if (url.searchParams.has(parameter)) refuse(`a URL without the parameter ${parameter}, which is ours`)
  if (url.hash !== '') refuse('a URL without a fragment, which is never sent')
  return (text) => {
    const made = new URL(url)
    made.searchParams.append(parameter, text)
    return made.href
  }
}

function fromParameter(url: string): string | null {
  const query = url.indexOf('?')
  return query < 0 ? null : onlyToken(new URLSearchParams(url.slice(query)).getAll(parameter))
}

/** The token between characters that no token contains. */
function fromAnywhere(url: string): string | null {
  return onlyToken(url.split(/[^A-Za-z0-9_.-]/).filter((part) => tokenForm.test(part)))
}

function onlyToken(found: readonly string[]): string | null {
  const [only] = found
  return found.length === 1 && only !== undefined && tokenForm.test(only) ? only : null
}

/** The reference of a token that one of the keys signed and that has not expired. */
function verify(token: string | null, keys: readonly KeyObject[], now: number): string | null {
  if (token === null) return null
  const [ref = '', expiry = '', given = ''] = token.split('.')
  const signed = `${ref}.${expiry}`
  // The form fixes the length, which timingSafeEqual requires.
  const isGenuine = keys.some((key) => timingSafeEqual(Buffer.from(mac(key, signed)), Buffer.from(given)))
  return isGenuine && Number.parseInt(expiry, 36) * 1000 >= now ? ref : null
}

function mac(key: KeyObject, signed: string): string {
  return createHmac('sha256', key).update(signed).digest('base64url')
}

function parseUrl(text: unknown): URL | null {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : null
  return url !== null && /^https?:$/.test(url.protocol) ? url : null
}

function refuse(allowed: string): never {
  throw new CheqpointError('option-invalid', `option callbackUrl must be ${allowed}`)
}
