import { vi } from 'vitest'

/** Advances the time, and runs everything that happens in it. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

/** A promise with functions to settle it. */
export interface Gate<Value = void> {
  readonly promise: Promise<Value>
  readonly open: (value: Value) => void
  readonly fail: (reason: unknown) => void
}

export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => {}
  let fail: (reason: unknown) => void = () => {}
  const promise = new Promise<Value>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}
