import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { CheqpointError } from '../model/errors.js'

/** Where Cheqpoint shall post decisions. A function puts the token where it likes, as a path segment or a query value of its own. */
export type CallbackUrl = string | ((token: string) => string)

/**
 * Callback URLs that prove which request they were made for. The token is `ref.expiry.mac`: our reference, a moment in
 * seconds (base 36), and an HMAC-SHA-256 over both. It says nothing of the decision; it only keeps strangers out.
 */
export interface CallbackUrls {
  /** The URL for a request; without a secret, the plain URL. */
  write(ref: string, expiresAtMs: number): string
  /** The reference that a URL proves at this moment; `null` where it proves none. Absent without a secret. */
  readonly read: ((url: string) => string | null) | undefined
}

const parameter = 'cq'
// Anchored, or a stranger's long URL would be searched from each of its characters on.
const token = /^[A-Za-z0-9_-]{1,64}\.[0-9a-z]{1,12}\.[A-Za-z0-9_-]{43}$/

/**
 * Throws `option-invalid` for a URL that is none, that uses the parameter `cq` itself, or that loses the token.
 * Signs with the first secret, accepts all of them.
 */
export function createCallbackUrls(target: CallbackUrl, secrets: readonly string[], now: () => number): CallbackUrls {
  const build = typeof target === 'string' ? addParameter(target) : target
  const keys = secrets.map((secret) => createSecretKey(Buffer.from(secret)))
  const [newest] = keys
  if (newest === undefined) {
    const plain =
      typeof target === 'string' ? target : refuse('a text where no callbackSecret is given: there is no token')
    return { write: () => plain, read: undefined }
  }
  const mac = (key: typeof newest, signed: string): string =>
    createHmac('sha256', key).update(signed).digest('base64url')
  const write = (ref: string, expiresAtMs: number): string => {
    const signed = `${ref}.${Math.ceil(expiresAtMs / 1000).toString(36)}`
    return build(`${signed}.${mac(newest, signed)}`)
  }
  const find = typeof target === 'string' ? fromParameter : fromAnywhere
  const read = (url: string): string | null => {
    const found = find(url)
    if (found === null) return null
    const [ref = '', expiry = '', given = ''] = found.split('.')
    const genuine = keys.some((key) => equal(mac(key, `${ref}.${expiry}`), given))
    return genuine && Number.parseInt(expiry, 36) * 1000 >= now() ? ref : null
  }
  const sample = write('sample', now() + 60_000)
  if (!isUrl(sample) || read(sample) !== 'sample')
    refuse('a function that returns a URL with the token as a path segment or a query value of its own')
  return { write, read }
}

function addParameter(target: string): (text: string) => string {
  if (!isUrl(target)) refuse('an http or https URL')
  const url = new URL(target)
  if (url.searchParams.has(parameter)) refuse(`a URL without the parameter ${parameter}, which is ours`)
  if (url.hash !== '') refuse('a URL without a fragment, which is never sent')
  return (text) => {
    const made = new URL(url)
    made.searchParams.append(parameter, text)
    return made.href
  }
}

/** The token in our parameter, where it stands once and has the form of one. */
function fromParameter(url: string): string | null {
  const query = url.indexOf('?')
  if (query < 0) return null
  const values = new URLSearchParams(url.slice(query)).getAll(parameter)
  const [value] = values
  return values.length === 1 && value !== undefined && token.test(value) ? value : null
}

/** The one token in a URL, between characters that are not of a token. */
function fromAnywhere(url: string): string | null {
  const found = url.split(/[^A-Za-z0-9_.-]/).filter((part) => token.test(part))
  const [only] = found
  return found.length === 1 && only !== undefined ? only : null
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

function isUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

function refuse(allowed: string): never {
  throw new CheqpointError('option-invalid', `option callbackUrl must be ${allowed}`)
}
