/*
 * What the page is told, in the page's own words: the browser's part is compiled without Node's types, and so knows
 * none of the simulator's modules. Where these shapes and the simulator's differ, the feed does not compile.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonMap
export interface JsonMap {
  readonly [key: string]: Json
}

export interface RequestView {
  readonly id: string
  readonly assistant: string | null
  readonly action: string
  readonly summary: string
  readonly details: JsonMap
  readonly submission: JsonMap
  readonly callbackUrl: string | null
  readonly maxWaitMs: number
  readonly submittedAt: string
  readonly status: string
  readonly modifiedDetails: JsonMap | null
  readonly note: string | null
  readonly decidedAt: string | null
  readonly inline: boolean
}

export interface DeliveryView {
  readonly id: string
  readonly approvalId: string
  readonly url: string
  readonly cause: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly state: 'waiting' | 'sending' | 'ended' | 'dropped'
  readonly answer: { readonly status: number | null; readonly body: string; readonly error: string | null } | null
  readonly createdAt: string
}

export interface CallView {
  readonly method: string
  readonly path: string
  readonly status: number | null
  readonly at: string
}

export interface FaultsView {
  readonly drop: boolean
  readonly duplicate: number
  readonly delayMs: number
  readonly early: boolean
  readonly retries: number
  readonly retryDelayMs: number
  readonly api: {
    readonly status: number
    readonly retryAfter?: number | string | undefined
    readonly count?: number | undefined
    readonly rate?: number | undefined
  } | null
  readonly slowMs: number
  readonly staleReads: number
  readonly staleMs: number
  readonly loseSubmitAnswer: boolean
}

/** Who decides at the submission: nobody, everything one way, or a rule that code has set. */
export type RuleName = 'off' | 'approve' | 'reject' | 'code'

/** One message. The first to a page is `fresh` and holds everything that is shown; the others hold what changed. */
export interface News {
  readonly fresh: boolean
  /** So many of each kind are shown, the newest. */
  readonly keep: number
  readonly apiKey: string
  readonly requests: readonly RequestView[]
  readonly deliveries: readonly DeliveryView[]
  /** The latest, whole each time: calls have no ids. */
  readonly calls: readonly CallView[]
  readonly faults: FaultsView
  readonly rule: RuleName
}
