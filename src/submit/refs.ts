import { createHash, randomBytes } from 'node:crypto'

/** A random, unique reference. */
export function randomRef(): string {
  return randomBytes(18).toString('base64url')
}

/** The reference of an idempotency key of an assistant, the same in every process. */
export function keyedRef(assistant: string | null, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['idempotency', assistant, key]))
    .digest('base64url')
}
