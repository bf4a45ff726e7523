/** Counts of the entries in a store. */
export interface StoreCounts {
  /**
   * Entries in the due index: open approvals, unconfirmed submissions, and idempotency keys, for up to `retentionMs`
   * after their approval ended.
   */
  readonly open: number
  /** Entries in the parked index. */
  readonly parked: number
  /** How long the oldest key is overdue, in milliseconds; 0 if none is due. */
  readonly overdueMs: number
}
