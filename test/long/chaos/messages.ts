/*
 * Messages between the driver and the processes that it starts.
 */

/** How the upstream stub behaves. All shares are from 0 to 1. */
export interface Knobs {
  /** Time from a submission to its decision, in milliseconds; `null`: pending until the driver sends `decide`. */
  readonly decideMs: readonly [number, number] | null
  /** Share of submissions that are decided in their response. */
  readonly inline: number
  /** How long a GET still returns pending after the decision. */
  readonly lagMs: number
  readonly callbacks: {
    /** Share of decisions whose callback is never sent. */
    readonly lost: number
    /** Minimum and maximum number of callbacks for each other decision. */
    readonly copies: readonly [number, number]
    /** Copies are sent within this time, in any order. */
    readonly spreadMs: number
    /** Share that is sent before the response to the submission. */
    readonly early: number
  }
  /** Shares of faulty GETs; the others get a response. */
  readonly gets: { readonly failed: number; readonly throttled: number; readonly hung: number }
  /** Share of submissions that are accepted, but get a 500. */
  readonly postsFailed: number
}

export const calm: Knobs = {
  decideMs: [0, 500],
  inline: 0,
  lagMs: 0,
  callbacks: { lost: 0, copies: [1, 1], spreadMs: 0, early: 0 },
  gets: { failed: 0, throttled: 0, hung: 0 },
  postsFailed: 0,
}

export interface UpstreamPlan {
  readonly log: string
  readonly seed: number
  readonly knobs: Knobs
  /** Maximum callbacks in flight. */
  readonly connections: number
}

export type ToUpstream =
  | { readonly kind: 'ports'; readonly ports: readonly number[] }
  | { readonly kind: 'knobs'; readonly knobs: Knobs }
  /** Decides pending requests: the named ones or all. */
  | { readonly kind: 'decide'; readonly ids?: readonly string[] | undefined }
  /** Sends forged approvals for these ids in turn, to their callback URLs, or to the part that an attacker can guess. */
  | { readonly kind: 'spoof'; readonly ids: readonly string[]; readonly count: number; readonly guesses: boolean }
  | { readonly kind: 'idle' }

export type FromUpstream = { readonly kind: 'ready'; readonly port: number } | { readonly kind: 'idle' }

/** Points at which a worker can be killed. */
export type CrashPoint = 'c1' | 'c2' | 'c3' | 'c4' | 'c5' | 'c6' | 'c7' | 'c8'

/** How handlers write effects to Postgres: in the same transaction as the completion, or separately. */
export interface EffectPlan {
  readonly isolation: 'READ COMMITTED' | 'SERIALIZABLE'
  readonly completes: 'inside' | 'apart'
}

/** The store of a worker. `effects` is `null` if effects are lines in the ledger. */
export type StorePlan =
  | { readonly kind: 'redis'; readonly port: number }
  | { readonly kind: 'postgres'; readonly url: string; readonly effects: EffectPlan | null }

export interface WorkerPlan {
  readonly host: 'express' | 'hono'
  readonly ledger: string
  readonly upstreamPort: number
  readonly store: StorePlan
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly leaseMs: number
  readonly minIntervalMs: number
  readonly confirmTimeoutMs: number
  readonly firstMs: number
  readonly maxMs: number
  readonly getsPerSecond: number
  /** Whether callbacks need a token; every genuine one has its own. */
  readonly secret: boolean
  readonly sweeps: boolean
  readonly handlerMs: readonly [number, number]
  /** Share of first attempts whose handler throws. */
  readonly throws: number
  readonly minReplicas: number
  readonly allowEviction: boolean
  readonly partitions: number
  readonly crashAt: CrashPoint | null
  /** Probability of a kill at each point of a transaction with an effect. */
  readonly deaths: number
}

/** Registers approvals from `<prefix>0` on, with limited concurrency, and logs an `ack` for each. */
export interface ToWorker {
  readonly kind: 'track'
  readonly prefix: string
  readonly count: number
  readonly atOnce: number
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'tracked'; readonly acked: number; readonly codes: Readonly<Record<string, number>> }
