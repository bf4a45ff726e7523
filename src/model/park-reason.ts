/** Why approvals are parked. */
export const parkReasons = [
  /** A reviewer's edit fails the action's schema. */
  'edit-invalid',
  /** A reviewer's edit lacks keys of the original, and `modifications` is not set. */
  'edit-ambiguous',
  /** The reviewer edited the details, and the action refuses edits. */
  'edit-refused',
  /** The submitted details fail the action's schema. */
  'details-invalid',
  /** The stored context fails the action's schema. */
  'context-invalid',
  /** `runs.maxAttempts` attempts without a completion. */
  'too-many-attempts',
  /**
   * At-most-once: an attempt was counted, and its result is unknown. Or a submission stalled for `retentionMs`: its
   * approval may have been handled and forgotten.
   */
  'attempt-unfinished',
  /** At-most-once: the handler threw or timed out. */
  'handler-failed',
  /** The API gave no readable response for 24 hours after `expiresAt`. */
  'unconfirmed',
  /** A callback identified an orphaned submission. */
  'adopted',
  /** The entry in the store cannot be read. */
  'corrupt',
] as const

/** Why an approval is parked. */
export type ParkReason = (typeof parkReasons)[number]
