/** Listens to signals with one listener for each: from the eleventh on, Node.js warns of a memory leak. */
export class AbortListeners {
  readonly #all = new Map<AbortSignal, { readonly listeners: Set<() => void>; readonly onAbort: () => void }>()

  /** Calls the listener when the signal aborts, until the returned function is called. */
  add(signal: AbortSignal, listener: () => void): () => void {
    const { listeners, onAbort } = this.#all.get(signal) ?? this.#listen(signal)
    listeners.add(listener)
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return
      signal.removeEventListener('abort', onAbort)
      this.#all.delete(signal)
    }
  }

  #listen(signal: AbortSignal): { readonly listeners: Set<() => void>; readonly onAbort: () => void } {
    const listeners = new Set<() => void>()
    const onAbort = (): void => {
      for (const listener of [...listeners]) listener()
    }
    signal.addEventListener('abort', onAbort)
    const made = { listeners, onAbort }
    this.#all.set(signal, made)
    return made
  }
}
