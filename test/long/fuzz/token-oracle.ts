import { createHmac } from 'node:crypto'

/** The token of a callback URL, as it is documented: reference, moment in seconds to the base of 36, HMAC-SHA-256 of both. */
export function mint(secret: string, ref: string, expiresAtMs: number): string {
  const signed = `${ref}.${Math.ceil(expiresAtMs / 1000).toString(36)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
