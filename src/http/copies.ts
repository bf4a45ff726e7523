import type { Outcome } from '../model/outcome.js'
import type { Trigger } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'

export interface CopiesTerms {
  /** Copies of one callback that are looked into at a time. */
  readonly most: number
  /** Copies that wait for such a look, of all callbacks together. */
  readonly maxWaiting: number
  readonly isClosing: () => boolean
}

/** Copies that wait, and get the outcome of one look. */
interface Batch {
  readonly outcome: Promise<Outcome>
  readonly settle: (outcome: Outcome | Promise<Outcome>) => void
  size: number
}

interface Work {
  looks: number
  next: Batch | null
}

/**
 * Callbacks at work, by approval and token. However many copies of one callback come, few take the places of others: the
 * rest share one look, which begins after all of them have come, and its outcome.
 */
export class Copies {
  readonly #pipeline: Pick<Pipeline, 'process'>
  readonly #terms: CopiesTerms
  readonly #work = new Map<string, Work>()
  #waiting = 0

  constructor(pipeline: Pick<Pipeline, 'process'>, terms: CopiesTerms) {
    this.#pipeline = pipeline
    this.#terms = terms
  }

  /** What became of the callback. `leave` is called where it waits with its copies, for which it needs no place. */
  process(trigger: Trigger, leave: () => void): Promise<Outcome> {
    const key = JSON.stringify([trigger.approvalId, trigger.ref])
    const work = this.#work.get(key) ?? { looks: 0, next: null }
    this.#work.set(key, work)
    if (work.looks < this.#terms.most) return this.#look(trigger, key, work)
    leave()
    if (this.#waiting >= this.#terms.maxWaiting) return Promise.resolve({ kind: 'overloaded' })
    this.#waiting++
    work.next ??= newBatch()
    work.next.size++
    return work.next.outcome
  }

  async #look(trigger: Trigger, key: string, work: Work): Promise<Outcome> {
    work.looks++
    try {
      return await this.#pipeline.process(trigger)
    } finally {
      work.looks--
      const { next } = work
      work.next = null
      this.#waiting -= next?.size ?? 0
      next?.settle(this.#terms.isClosing() ? { kind: 'closing' } : this.#look(trigger, key, work))
      if (work.looks === 0) this.#work.delete(key)
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
