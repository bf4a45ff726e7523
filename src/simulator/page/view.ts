/*
 * Types of the messages to the page. The client is compiled without Node's types, so it cannot import the simulator's.
 * The feed does not compile if these types and the simulator's differ.
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
  readonly loseSubmitResponse: boolean
}

/** How submissions are decided: not at all, all alike, or by a rule that code has set. */
export type RuleName = 'off' | 'approve' | 'reject' | 'code'

/** One message. The first to a page is `fresh` and complete; later ones hold the changes. */
export interface News {
  readonly fresh: boolean
  /** Number of items of each kind to show, the newest. */
  readonly keep: number
  readonly apiKey: string
  readonly requests: readonly RequestView[]
  readonly deliveries: readonly DeliveryView[]
  /** The latest calls, complete each time, since calls have no ids. */
  readonly calls: readonly CallView[]
  readonly faults: FaultsView
  readonly rule: RuleName
}
