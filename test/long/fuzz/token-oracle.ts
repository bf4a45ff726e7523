import { createHmac } from 'node:crypto'

/** The documented token of a callback URL: reference, time in seconds in base 36, and the HMAC-SHA-256 of both. */
export function mint(secret: string, ref: string, expiresAtMs: number): string {
  const signed = `${ref}.${Math.ceil(expiresAtMs / 1000).toString(36)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
