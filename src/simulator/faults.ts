import { CheqpointError } from '../model/errors.js'
import type { Random } from '../util/clock.js'

/**
 * Simulated faults. A field applies from the moment it is set until it is set back. Faults of callbacks are read at the
 * decision, so each decision can have its own.
 */
export interface Faults {
  /** Logs callbacks as dropped and never sends them. */
  drop: boolean
  /** Number of extra copies of each callback, all sent at the same time. */
  duplicate: number
  /** Time from the decision to its callback. */
  delayMs: number
  /** Sends the callback of a rule's decision, and awaits its response, before the submission is answered `pending`. */
  early: boolean
  /** Number of retries of a callback without a 2xx response. Cheqpoint documents no retries. */
  retries: number
  retryDelayMs: number
  /** Response to API calls, which then have no effect. */
  api: ApiFault | null
  /** Delay of API responses after they were built, so that their data may be stale on arrival. */
  slowMs: number
  /** Number of first reads of a decided request that still say `PENDING`. */
  staleReads: number
  /** Time after a decision during which reads still say `PENDING`. */
  staleMs: number
  /** Accepts submissions, and destroys the connection instead of responding. */
  loseSubmitResponse: boolean
}

/** How API calls fail: all, the next `count`, or a share `rate`. */
export interface ApiFault {
  /** A status from 200 to 599 whose response may have a body. */
  readonly status: number
  /** Sent as `Retry-After`: seconds, or a date. */
  readonly retryAfter?: number | string | undefined
  /** Limits the fault to the next calls; `faults.api` counts down and ends as `null`. */
  readonly count?: number | undefined
  /** Limits the fault to this share of the calls, from 0 to 1. */
  readonly rate?: number | undefined
}

/** No faults, in an object that is sealed. */
export function noFaults(): Faults {
  return Object.seal<Faults>({
    drop: false,
    duplicate: 0,
    delayMs: 0,
    early: false,
    retries: 0,
    retryDelayMs: 0,
    api: null,
    slowMs: 0,
    staleReads: 0,
    staleMs: 0,
    loseSubmitResponse: false,
  })
}

/** Wraps faults and calls `onChange` at each change. A misspelt field throws `argument-invalid`. */
export function watchFaults(faults: Faults, onChange: () => void): Faults {
  return new Proxy(faults, {
    set(target, name, value) {
      if (!Object.hasOwn(target, name)) {
        const known = Object.keys(target).join(', ')
        throw new CheqpointError('argument-invalid', `no fault is called ${String(name)}; known are: ${known}`)
      }
      const done = Reflect.set(target, name, value)
      onChange()
      return done
    },
  })
}

/** Returns the fault of this API call, or `null`. Counts down a limited one. */
export function takeApiFault(faults: Faults, random: Random): ApiFault | null {
  const fault = faults.api
  if (fault === null || random() >= (fault.rate ?? 1)) return null
  if (fault.count === undefined) return fault
  // A new object: the caller owns the present one.
  faults.api = fault.count > 1 ? { ...fault, count: fault.count - 1 } : null
  return fault.count > 0 ? fault : null
}
