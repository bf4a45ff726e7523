/*
 * What the measurement of unread bodies says to its processes.
 */

export interface BodiesReceiverPlan {
  /** Where the build under test is, as a URL. */
  readonly build: string
  readonly cheqpointPort: number
  readonly genuine: number
  /** What each call of the store takes, as over a network. */
  readonly storeMs: number
}

export interface BodiesAttackerPlan {
  readonly way: 'sockets' | 'pipelined' | 'streams'
  readonly port: number
  readonly path: string
  readonly seconds: number
  /** Sockets or streams that are open at a time. */
  readonly count: number
  /** Until an answered one is opened again. */
  readonly againMs: number
}
