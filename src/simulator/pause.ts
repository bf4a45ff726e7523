/** Resolves after `ms`, or as soon as one of the signals aborts. Never rejects; at once if `ms` is 0 or less. */
export async function pause(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  if (ms <= 0 || signals.some((signal) => signal.aborted)) return
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms).unref()
    for (const signal of signals) signal.addEventListener('abort', end)
  })
}
