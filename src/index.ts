// The receiver: what most users need.
export { createReceiver } from './receiver.js'
export type { CloseOptions, Receiver, Stats, SubmitAs, SubmitOptionsFor, TrackedAs } from './receiver-face.js'
export type {
  Action,
  Actions,
  CallbackOptions,
  ConfirmOptions,
  CoreOptions,
  PollingOptions,
  ReceiverOptions,
  RunOptions,
} from './options.js'
export type { Modifications } from './action.js'
export type { CallbackUrl } from './callback-url.js'
export type { ParkedApproval, UnboundSubmission } from './parked.js'
export type { Tracked } from './register.js'
export type { DecidedSubmission, PendingSubmission, Submission } from './submission.js'
export type { SubmitOptions } from './submit.js'
export type { ReconcileOptions, ReconcileReport, SweepReport } from './sweep.js'
export type { Completed, WaitForOptions } from './wait.js'

// What a handler is given.
export type {
  ApprovedDecision,
  Decision,
  DecisionStatus,
  JsonObject,
  JsonValue,
  RefusedDecision,
  Run,
  Via,
} from './decision.js'

// The core alone, for those who bring their own runner or framework.
export { type VerifyOptions, verifyAndResolve } from './verify.js'
export { type Answer, type Outcome, toAnswer } from './outcome.js'
export { fromIncoming, fromRequest, type IncomingParts, type RequestParts, toResponse } from './host.js'
export type { ActionRules } from './action.js'
export type { CallbackBody } from './body.js'
export type { Claim, ReleaseTerms } from './claim.js'
export type { Verified } from './core.js'
export type { HandleOptions } from './endpoint.js'
export type { Callback } from './intake.js'

// The API.
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  type Confirmed,
  createClient,
  type SubmitRequest,
  type WaitOptions,
} from './client.js'
export type { WireAnswer } from './wire.js'

// Stores: the one that is built in, and what it takes to write another.
export { type MemoryStoreOptions, memoryStore } from './stores/memory.js'
export { maxCandidates, quickLooks } from './store.js'
export type {
  AddOptions,
  ClaimAnswer,
  ClaimOptions,
  Completion,
  DueKey,
  DueOptions,
  KnockOptions,
  ListQuery,
  Page,
  PageQuery,
  ReleaseOptions,
  Reservation,
  ReserveAnswer,
  SealAnswer,
  Snapshot,
  Store,
  StoreStats,
} from './store.js'
export type { ApprovalRecord, Draft, JsonText, NewRecord, ParkReason, Sealed, Tombstone } from './record.js'

// Errors, events, time and schemas.
export { CheqpointError, type ErrorCode, type ErrorInfo, errorCodes, isCheqpointError } from './errors.js'
export type { CheqpointEvent, EventListener, RefusalReason, ReleaseReason } from './events.js'
export type { Clock, Random } from './runtime.js'
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './standard-schema.js'
