/*
 * The public names, at most 60. Others may change without notice. Stores with a client, adapters, simulator and test
 * helpers are subpaths, so that an app loads only what it uses. Types of single arguments have no names:
 * `Parameters<Receiver['wait']>[1]`.
 */

// The receiver, all that most apps need.
export { createReceiver } from './receiver/create-receiver.js'
export { type Action, action, type ReceiverOptions } from './receiver/receiver-options.js'
export type { Receiver, Stats, TypedReceiver } from './receiver/receiver-types.js'
export type { CallbackUrl } from './submit/callback-url.js'

// What handlers get.
export type { ApprovedDecision, Decision, RefusedDecision, Run } from './model/decision.js'
export type { JsonObject, JsonValue } from './util/json.js'

// What methods take and resolve with.
export type { ParkedApproval } from './approvals/parked.js'
export type { ConfirmedDecision } from './model/confirmed-decision.js'
export type { ParkReason } from './model/park-reason.js'
export type { Submission, UnconfirmedSubmission } from './submit/submission.js'
export type { SubmitOptions } from './submit/submit-arguments.js'
export type { Tracked } from './submit/tracked-request.js'
export type { Completed } from './submit/wait.js'
export type { ReconcileReport } from './sweep/sweeper.js'

// The core, for apps with their own job runner.
export type { ActionRules } from './options/actions.js'
export type { Claim } from './pipeline/verified-claim.js'
export { register, type VerifiedDecision, type VerifyOptions, verifyAndResolve } from './receiver/verify-and-resolve.js'
export { createCallbackUrl } from './submit/callback-url.js'

// HTTP, for hosts without an adapter.
export type { HandleOptions } from './http/endpoint.js'
export { fromIncoming, fromRequest, toWebResponse } from './http/hosts.js'
export type { Callback } from './http/request-checks.js'
export { type CallbackResponse, toResponse } from './http/responses.js'
export type { Outcome } from './model/outcome.js'

// The API of Cheqpoint.
export { createClient } from './cheqpoint/client.js'
export type { Client, ClientOptions, SubmitRequest } from './cheqpoint/client-types.js'
export type { FetchedApproval } from './cheqpoint/read-response.js'
export type { ApiApproval } from './cheqpoint/wire.js'

// The in-process store, and the types to write another store.
export { memoryStore } from './stores/memory/memory-store.js'
export type { Entry, ListedEntry, Page, PageQuery, Store, Stored } from './stores/store.js'

// Errors and events, by code and type.
export { CheqpointError, type ErrorCode, errorCodes, isCheqpointError } from './model/errors.js'
export type { CheqpointEvent, EventListener } from './model/events.js'

// For tests, and for schemas of any library.
export type { StandardSchema } from './model/standard-schema.js'
export type { Clock, Random } from './util/clock.js'
