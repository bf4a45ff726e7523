/*
 * What the driver says to the processes it starts, and what they say back.
 */

/** How the upstream stub behaves. All shares are from 0 to 1. */
export interface Knobs {
  /** From a submission to its decision, in milliseconds; `null`: held until the driver says `decide`. */
  readonly decideMs: readonly [number, number] | null
  /** Share of submissions decided in their own answer. */
  readonly inline: number
  /** How long GET still says pending after the decision. */
  readonly lagMs: number
  readonly callbacks: {
    /** Share of decisions whose callback is never sent. */
    readonly lost: number
    /** Callbacks for each other decision, at least and at most. */
    readonly copies: readonly [number, number]
    /** Copies are sent within this time, in any order. */
    readonly spreadMs: number
    /** Share that is sent before the submission has its answer. */
    readonly early: number
  }
  /** What becomes of a GET; the rest is answered. */
  readonly gets: { readonly failed: number; readonly throttled: number; readonly hung: number }
  /** Share of submissions that are taken and answered 500. */
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
  /** Callbacks under way at a time. */
  readonly connections: number
}

export type ToUpstream =
  | { readonly kind: 'ports'; readonly ports: readonly number[] }
  | { readonly kind: 'knobs'; readonly knobs: Knobs }
  /** Decides what is held, the named ones or all. */
  | { readonly kind: 'decide'; readonly ids?: readonly string[] | undefined }
  /** Sends forged approvals for these ids in turn, to the URLs of their callbacks, or to what a stranger can guess of them. */
  | { readonly kind: 'spoof'; readonly ids: readonly string[]; readonly count: number; readonly guesses: boolean }
  | { readonly kind: 'idle' }

export type FromUpstream = { readonly kind: 'ready'; readonly port: number } | { readonly kind: 'idle' }

/** Moments at which a worker can be made to die. */
export type CrashPoint = 'c1' | 'c2' | 'c3' | 'c4' | 'c5' | 'c6' | 'c7' | 'c8'

/** How handlers write their effects into Postgres: the completion in the same transaction, or apart from it. */
export interface EffectPlan {
  readonly isolation: 'READ COMMITTED' | 'SERIALIZABLE'
  readonly completes: 'inside' | 'apart'
}

/** Where a worker keeps its entries. `effects` is `null` if they are lines in the ledger. */
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
  /** The chance to die at each point of a transaction with an effect. */
  readonly deaths: number
}

/** Registers approvals `<prefix>0` and on, so many at a time, writing an `ack` for each. */
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
