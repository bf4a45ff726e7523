interface Listened {
  readonly listeners: Set<() => void>
  readonly handler: () => void
}

const listened = new WeakMap<AbortSignal, Listened>()

/**
 * Calls the listener when the signal aborts, until the returned function is called. A signal gets one event listener for
 * all of them: from the eleventh on, Node.js warns of a memory leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { listeners, handler } = listened.get(signal) ?? listen(signal)
  listeners.add(listener)
  return () => {
    if (!listeners.delete(listener) || listeners.size > 0) return
    signal.removeEventListener('abort', handler)
    listened.delete(signal)
  }
}

function listen(signal: AbortSignal): Listened {
  const listeners = new Set<() => void>()
  const handler = (): void => {
    for (const listener of [...listeners]) listener()
  }
  signal.addEventListener('abort', handler)
  const made = { listeners, handler }
  listened.set(signal, made)
  return made
}
