import { createHash, randomBytes } from 'node:crypto'

/** A reference that no other request has. */
export function randomRef(): string {
  return randomBytes(18).toString('base64url')
}

/** The same key of the same assistant gives the same reference in every process. */
export function keyedRef(assistant: string | null, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['idempotency', assistant, key]))
    .digest('base64url')
}
