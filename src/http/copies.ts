import type { Outcome } from '../model/outcome.js'
import type { Trigger } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'

export interface CopiesDeps {
  readonly pipeline: Pick<Pipeline, 'process'>
  /** Copies of one callback that are processed at a time. */
  readonly concurrency: number
  /** How many copies may wait, of all callbacks together. */
  readonly maxWaiting: number
  readonly isClosing: () => boolean
}

/** Copies that wait, and share the outcome of one of them. */
interface Batch {
  readonly outcome: Promise<Outcome>
  readonly settle: (outcome: Outcome | Promise<Outcome>) => void
  size: number
}

interface Copied {
  active: number
  next: Batch | null
}

/**
 * Callbacks in progress, by approval and token, so that a flood of copies of one callback takes few places: beyond
 * `concurrency` copies wait, one is processed for all that arrived before it, and they share its outcome.
 */
export class Copies {
  readonly #deps: CopiesDeps
  /** By approval and token. */
  readonly #callbacks = new Map<string, Copied>()
  #waiting = 0

  constructor(deps: CopiesDeps) {
    this.#deps = deps
  }

  /** Never rejects. `leave` is called if the callback waits with its copies, which takes no place. */
  process(trigger: Trigger, leave: () => void): Promise<Outcome> {
    // Neither contains a space.
    const key = trigger.ref === undefined ? trigger.approvalId : `${trigger.approvalId} ${trigger.ref}`
    const copied = this.#callbacks.get(key) ?? { active: 0, next: null }
    if (copied.active < this.#deps.concurrency) return this.#processOne(trigger, key, copied)
    leave()
    if (this.#waiting >= this.#deps.maxWaiting) return Promise.resolve({ kind: 'overloaded' })
    this.#waiting++
    copied.next ??= newBatch()
    copied.next.size++
    return copied.next.outcome
  }

  async #processOne(trigger: Trigger, key: string, copied: Copied): Promise<Outcome> {
    if (copied.active++ === 0) this.#callbacks.set(key, copied)
    try {
      return await this.#deps.pipeline.process(trigger)
    } finally {
      copied.active--
      const { next } = copied
      copied.next = null
      this.#waiting -= next?.size ?? 0
      next?.settle(this.#deps.isClosing() ? { kind: 'closing' } : this.#processOne(trigger, key, copied))
      if (copied.active === 0) this.#callbacks.delete(key)
    }
  }
}

function newBatch(): Batch {
  let settle: Batch['settle'] = () => {}
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve
  })
  return { outcome, settle, size: 0 }
}
