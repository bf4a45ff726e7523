import type { PipelineContext } from './context.js'
import type { Lease } from './lease.js'

/**
 * Extends a lease every third of it, until it is stopped or `runs.timeoutMs` is over, and tells when the lease is lost:
 * taken over, or run out while the store did not answer.
 */
export class LeaseRenewal {
  readonly #lease: Lease
  readonly #onLost: () => void
  readonly #onEnd: (isOver: boolean) => void
  readonly #context: PipelineContext
  readonly #startedAt: number
  #timer: NodeJS.Timeout | undefined
  #inFlight: Promise<void> | undefined
  /** The last renewal was not answered, or failed. */
  #hasFailed = false
  #isStopped = false

  constructor(
    lease: Lease,
    { onLost, onEnd }: { readonly onLost: () => void; readonly onEnd: (isOver: boolean) => void },
    context: PipelineContext,
  ) {
    this.#lease = lease
    this.#onLost = onLost
    this.#onEnd = onEnd
    this.#context = context
    this.#startedAt = context.clock.elapsed()
    this.#schedule()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** Stops, and resolves once no renewal is in flight. */
  async settle(): Promise<void> {
    this.stop()
    await this.#inFlight
  }

  #schedule(): void {
    const thirdMs = this.#context.runs.leaseMs / 3
    const { leftMs } = this.#lease
    // Where renewals fail, the very end of the lease must be noticed.
    this.#timer = setTimeout(() => this.#renew(), leftMs > 0 ? Math.min(leftMs, thirdMs) : thirdMs).unref()
  }

  #renew(): void {
    const { clock, runs } = this.#context
    const age = clock.elapsed() - this.#startedAt
    // What hangs is told so, and has one lease to end by itself.
    if (age >= runs.timeoutMs) this.#onEnd(age >= runs.timeoutMs + runs.leaseMs)
    if (this.#isStopped) return
    this.#schedule()
    // A store that does not answer must not keep the run from learning that its time is over.
    if (this.#lease.leftMs <= 0 && (this.#hasFailed || this.#inFlight !== undefined)) {
      this.#lose()
      return
    }
    if (this.#inFlight !== undefined) return
    this.#inFlight = this.#extend().finally(() => {
      this.#inFlight = undefined
    })
  }

  async #extend(): Promise<void> {
    try {
      if ((await this.#lease.extend()) === 'lost') this.#lose()
      this.#hasFailed = false
    } catch (error) {
      this.#hasFailed = true
      this.#context.emit({ type: 'store-failed', operation: 'extend', error })
      if (this.#lease.leftMs <= 0) this.#lose()
    }
  }

  #lose(): void {
    if (this.#isStopped) return
    this.stop()
    this.#onLost()
  }
}
