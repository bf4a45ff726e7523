/** Why a record waits for a person. */
export type ParkReason =
  /** A reviewer's edit does not pass the action's schema. */
  | 'edit-invalid'
  /** A reviewer's edit lacks keys of the original, and nothing says whether it replaces or patches. */
  | 'edit-ambiguous'
  /** A reviewer edited, and the action refuses edits. */
  | 'edit-refused'
  /** The submitted details no longer pass the action's schema. */
  | 'details-invalid'
  /** The stored context no longer passes the action's schema. */
  | 'context-invalid'
  /** `runs.maxAttempts` starts, and none finished. */
  | 'too-many-attempts'
  /** At-most-once: an attempt was counted, and how it ended is unknown. */
  | 'attempt-unfinished'
  /** At-most-once: the handler threw, or ran into `runs.timeoutMs`. */
  | 'handler-failed'
  /** The API gave no readable answer for 24 hours after `expiresAt`. */
  | 'unconfirmed'
  /** Found by its callback after its own submission was lost. */
  | 'adopted'
  /** What the store holds cannot be read. */
  | 'corrupt'
