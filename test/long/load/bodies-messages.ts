/*
 * Messages of the unread-bodies measurement to its processes.
 */

export interface BodiesReceiverPlan {
  /** URL of the build under test. */
  readonly build: string
  readonly cheqpointPort: number
  readonly genuine: number
  /** Latency of each store call, as over a network. */
  readonly storeMs: number
}

export interface BodiesAttackerPlan {
  readonly way: 'sockets' | 'pipelined' | 'streams'
  readonly port: number
  readonly path: string
  readonly seconds: number
  /** Number of open sockets or streams. */
  readonly count: number
  /** Delay before a finished one is reopened. */
  readonly againMs: number
}
