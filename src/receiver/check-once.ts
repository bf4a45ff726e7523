import { AsyncLocalStorage } from 'node:async_hooks'
import type { Records } from '../approvals/records.js'
import type { EventListener } from '../model/events.js'

/** Checks the store before its first use, and again until a check succeeds. */
export function checkOnce(records: Records, emit: EventListener): () => Promise<void> {
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
  return async () => {
    if (isChecked) return
    checking ??= inOwnContext(check)
    await checking
  }
}
