// The receiver: what most users need.
export { createReceiver } from './receiver/create-receiver.js'
export type { CloseOptions, Receiver, Stats, SubmitAs, SubmitOptionsFor, TrackedAs } from './receiver/receiver-types.js'
export type { Action, Actions, ReceiverOptions } from './receiver/receiver-options.js'
export type {
  CallbackOptions,
  ConfirmOptions,
  PipelineOptions,
  PollingOptions,
  RunOptions,
} from './options/pipeline-options.js'
export type { Modifications } from './options/actions.js'
export type { CallbackUrl } from './submit/callback-url.js'
export type { ParkedApproval } from './approvals/parked.js'
export type { UnconfirmedSubmission } from './submit/unconfirmed.js'
export type { Tracked } from './submit/tracked-request.js'
export type { DecidedSubmission, PendingSubmission, Submission } from './submit/submission.js'
export type { SubmitOptions } from './submit/submitter.js'
export type { ReconcileOptions, ReconcileReport, SweepReport } from './sweep/sweeper.js'
export type { Completed, WaitForOptions } from './submit/wait.js'

// What a handler is given.
export type { ApprovedDecision, Decision, DecisionStatus, RefusedDecision, Run, Via } from './model/decision.js'
export type { JsonObject, JsonValue } from './util/json.js'

// The core alone, for those who bring their own runner or framework.
export { type VerifyOptions, verifyAndResolve } from './receiver/verify-and-resolve.js'
export { type CallbackResponse, toResponse } from './http/responses.js'
export type { Outcome } from './model/outcome.js'
export { fromIncoming, fromRequest, type IncomingParts, type RequestParts, toWebResponse } from './http/hosts.js'
export type { ActionRules } from './options/actions.js'
export type { CallbackBody } from './http/body.js'
export type { Claim, ClaimReleaseOptions } from './pipeline/claim.js'
export type { Verified } from './pipeline/context.js'
export type { HandleOptions } from './http/endpoint.js'
export type { Callback } from './http/request-checks.js'

// The API.
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  type FetchedApproval,
  createClient,
  type SubmitRequest,
  type WaitOptions,
} from './cheqpoint/client.js'
export type { ApiApproval } from './cheqpoint/wire.js'

// Stores: the one that is built in, and what it takes to write another.
export { type MemoryStoreOptions, memoryStore } from './stores/memory/memory-store.js'
export { maxCandidates, quickPolls } from './stores/store.js'
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
} from './stores/store.js'
export type { ApprovalRecord, Draft, NewRecord, Tombstone } from './stores/record.js'
export type { JsonText } from './util/json.js'
export type { ParkReason } from './model/park-reason.js'
export type { ConfirmedDecision } from './model/confirmed-decision.js'

// Errors, events, time and schemas.
export { CheqpointError, type ErrorCode, type ErrorInfo, errorCodes, isCheqpointError } from './model/errors.js'
export type { CheqpointEvent, EventListener, RefusalReason, ReleaseReason } from './model/events.js'
export type { Clock, Random } from './util/clock.js'
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './model/standard-schema.js'
