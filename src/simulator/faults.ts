import type { Random } from '../util/clock.js'

/**
 * What goes wrong on purpose. Set a field, and what happens from then on is so; set it back, and it is over.
 * Faults of callbacks are read at the moment of the decision, so each decision can have its own.
 */
export interface Faults {
  /** Callbacks are logged as dropped and never sent. */
  drop: boolean
  /** So many copies of each callback more, all sent at the same time. */
  duplicate: number
  /** Time from the decision to its callback. */
  delayMs: number
  /** The callback of a decision made by the rule is sent, and answered, before its submission is answered `pending`. */
  early: boolean
  /** So many tries more for a callback that was not answered with a 2xx. Cheqpoint documents none. */
  retries: number
  retryDelayMs: number
  /** API calls are answered like this and have no effect. */
  api: ApiFault | null
  /** API answers are held back so long after they were made up: what they say may be old on arrival. */
  slowMs: number
  /** The first so many reads of a decided request still say `PENDING`. */
  staleReads: number
  /** For so long after the decision each read still says `PENDING`. */
  staleMs: number
  /** Submissions are accepted, and the connection is destroyed in place of an answer. */
  loseSubmitAnswer: boolean
}

/** How calls of the API fail: all of them, the next `count`, or the share `rate`. */
export interface ApiFault {
  /** A status from 200 to 599 that may have a body. */
  readonly status: number
  /** Sent as `Retry-After`: seconds, or a date. */
  readonly retryAfter?: number | string | undefined
  /** Only the next so many calls; `faults.api` counts down and ends as `null`. */
  readonly count?: number | undefined
  /** Only this share of the calls, from 0 to 1. */
  readonly rate?: number | undefined
}

/** Faults that are none. Sealed: a misspelt field throws instead of doing nothing. */
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
    loseSubmitAnswer: false,
  })
}

/** The same faults, and a word at each change of them. */
export function watchFaults(faults: Faults, onChange: () => void): Faults {
  return new Proxy(faults, {
    set(target, name, value) {
      const done = Reflect.set(target, name, value)
      onChange()
      return done
    },
  })
}

/** The fault that this API call meets, or `null`. A limited one is counted down. */
export function takeApiFault(faults: Faults, random: Random): ApiFault | null {
  const fault = faults.api
  if (fault === null || random() >= (fault.rate ?? 1)) return null
  if (fault.count === undefined) return fault
  // A new object: the one in place was given by the caller.
  faults.api = fault.count > 1 ? { ...fault, count: fault.count - 1 } : null
  return fault.count > 0 ? fault : null
}
