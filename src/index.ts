/*
 * The public names, at most 60, each group with its reason. What is not here may change without notice: state machine,
 * pipeline, transport. Stores with a client of their own, adapters, simulator and test helpers are subpaths, so that an
 * app loads only what it uses. Types of a single argument have no name of their own: `Parameters<Receiver['wait']>[1]`.
 */

// The receiver, which is all that most apps need.
export { createReceiver } from './receiver/create-receiver.js'
export { type Action, action, type ReceiverOptions } from './receiver/receiver-options.js'
export type { Receiver, Stats, TypedReceiver } from './receiver/receiver-types.js'
export type { CallbackUrl } from './submit/callback-url.js'

// What its handlers are given.
export type { ApprovedDecision, Decision, RefusedDecision, Run } from './model/decision.js'
export type { JsonObject, JsonValue } from './util/json.js'

// What its methods take and resolve with, for those who pass it on.
export type { ParkedApproval } from './approvals/parked.js'
export type { ConfirmedDecision } from './model/confirmed-decision.js'
export type { ParkReason } from './model/park-reason.js'
export type { Submission, UnconfirmedSubmission } from './submit/submission.js'
export type { SubmitOptions } from './submit/submit-arguments.js'
export type { Tracked } from './submit/tracked-request.js'
export type { Completed } from './submit/wait.js'
export type { ReconcileReport } from './sweep/sweeper.js'

// The core alone, for apps that bring their own runner.
export type { Claim } from './pipeline/verified-claim.js'
export { register, type VerifiedDecision, type VerifyOptions, verifyAndResolve } from './receiver/verify-and-resolve.js'
export { createCallbackUrl } from './submit/callback-url.js'

// HTTP, for hosts without an adapter.
export type { HandleOptions } from './http/endpoint.js'
export { fromIncoming, fromRequest, toWebResponse } from './http/hosts.js'
export type { Callback } from './http/request-checks.js'
export { type CallbackResponse, toResponse } from './http/responses.js'
export type { Outcome } from './model/outcome.js'

// The API of Cheqpoint, for scripts and for the core.
export { createClient } from './cheqpoint/client.js'
export type { Client, ClientOptions, SubmitRequest } from './cheqpoint/client-types.js'
export type { FetchedApproval } from './cheqpoint/read-response.js'

// The store that needs nothing else, and the types to write another one with.
export { memoryStore } from './stores/memory/memory-store.js'
export type { Entry, ListedEntry, Page, PageQuery, Store, Stored } from './stores/store.js'

// Errors and events, by code and type.
export { CheqpointError, type ErrorCode, errorCodes, isCheqpointError } from './model/errors.js'
export type { CheqpointEvent, EventListener } from './model/events.js'

// What can be replaced in tests, and the schemas of any library.
export type { StandardSchema } from './model/standard-schema.js'
export type { Clock, Random } from './util/clock.js'
