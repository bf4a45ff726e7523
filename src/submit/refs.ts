import { createHash, randomBytes } from 'node:crypto'

/** A random, unique reference. */
export function randomRef(): string {
  return randomBytes(18).toString('base64url')
}

/** The reference of an idempotency key, the same in every process. */
export function keyedRef(key: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['idempotency', key]))
    .digest('base64url')
}
