/*
 * Messages between the driver and the processes that it starts.
 */

/** The receiver's limits: the library's defaults, copied so that the laws do not depend on it. */
export const bounds = {
  /** Minimum interval between GETs of one approval. */
  minIntervalMs: 2_000,
  /** GETs per second that callbacks may cause; also the size of the bucket. */
  callbackGets: 50,
  /** The same for the sweep. */
  sweepGets: 10,
} as const

export type HostName = 'express' | 'hono'

/** Approvals that the reviewer decides. */
export const genuineId = (n: number): string => `genuine_${n}`
/** Approvals that stay pending, and whose ids the attackers know. */
export const pendingId = (n: number): string => `pending_${n}`

export interface CheqpointPlan {
  readonly log: string
  readonly seed: number
}

export interface ReceiverPlan {
  readonly host: HostName
  readonly ledger: string
  readonly cheqpointPort: number
  /** Whether callbacks need a token; every genuine one has its own. */
  readonly secret: boolean
  readonly genuine: number
  readonly pending: number
}

export interface ReviewerPlan {
  readonly log: string
  readonly seed: number
  readonly port: number
  readonly cheqpointPort: number
  /** Paths of the callback URLs of the genuine approvals. */
  readonly paths: readonly string[]
  /** Decisions are made at random times of this interval. */
  readonly withinMs: number
}

interface AttackerPlan {
  readonly seed: number
  readonly port: number
  readonly seconds: number
  /** Callback URL without a token. */
  readonly path: string
  /** Path of the callback URL of `pending_0`, which leaked with its token. */
  readonly leaked: string
  /** Whether callbacks need a token; every genuine one has its own. */
  readonly secret: boolean
}

export interface SlowPlan extends AttackerPlan {
  readonly kind: 'slow'
  readonly sockets: number
}

export interface JunkPlan extends AttackerPlan {
  readonly kind: 'junk'
  readonly perSecond: number
}

export interface SpoofPlan extends AttackerPlan {
  readonly kind: 'spoof'
  readonly ids: readonly string[]
  readonly count: number
}

export type AssaultPlan = SlowPlan | JunkPlan | SpoofPlan

/** Number of equal responses to a kind of request. Status 0: no response. */
export interface AnswerCount {
  readonly sort: string
  readonly status: number
  /** The word or code in the body. */
  readonly code: string
  readonly count: number
}

export interface Footprint {
  readonly heapBytes: number
  readonly rssBytes: number
  /** Active resources of the process, by kind. */
  readonly handles: Readonly<Record<string, number>>
  /** Connections of the HTTP server. */
  readonly connections: number
}

/** Event-loop delay, measured by a timer of 1 ms. */
export interface Delay {
  readonly p99: number
  readonly max: number
}

export type Order =
  /** To attackers and the reviewer: start. */
  | { readonly kind: 'go' }
  /** To the receiver: collect garbage and report what is left. */
  | { readonly kind: 'measure' }
  /** To the receiver and Cheqpoint: watch memory and event loop from now on. */
  | { readonly kind: 'watch' }
  /** To the same: report the measurements. */
  | { readonly kind: 'report' }

export type Said =
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'mounted'
      readonly port: number
      readonly path: string
      readonly paths: readonly string[]
      readonly leaked: string
    }
  | { readonly kind: 'measured'; readonly footprint: Footprint }
  | { readonly kind: 'watching' }
  | {
      readonly kind: 'seen'
      readonly peak: { readonly heapBytes: number; readonly rssBytes: number }
      readonly delayMs: Delay
      /** Processor time since then. */
      readonly cpuSeconds: number
    }
  | { readonly kind: 'done'; readonly sent: number; readonly seconds: number; readonly answers: readonly AnswerCount[] }
