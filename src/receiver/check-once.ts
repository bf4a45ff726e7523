import { AsyncLocalStorage } from 'node:async_hooks'
import type { Records } from '../approvals/records.js'
import type { EventListener } from '../model/events.js'

/** Checks the store before its first use, and again until a check succeeds; returns `undefined` from then on. */
export function checkOnce(records: Records, emit: EventListener): () => Promise<void> | undefined {
  let isChecked = false
  let checking: Promise<void> | undefined
  const inOwnContext = AsyncLocalStorage.snapshot()
  const check = async (): Promise<void> => {
    try {
      for (const message of await records.check()) emit({ type: 'store-warning', message })
      isChecked = true
    } finally {
      checking = undefined
    }
  }
  return () => {
    if (isChecked) return undefined
    checking ??= inOwnContext(check)
    return checking
  }
}
