import { CheqpointError } from '../../model/errors.js'
import type { ParkReason } from '../../model/park-reason.js'
import { type ApprovalRecord, type Draft, recordVersion, type Tombstone } from '../record.js'
import type { AddOptions } from '../store.js'
import { type Reply, wrongReply } from './replies.js'

/*
 * How values travel to the scripts and back.
 */

/** Text that may be absent: empty for "none", so that an empty text is not one. */
export function optional(text: string | null | undefined): string {
  return text === null || text === undefined ? '' : `=${text}`
}

export function flag(value: boolean | undefined): string {
  return value === true ? '1' : '0'
}

/** A duration as whole milliseconds. Rejects with `argument-invalid` what is none. */
export function milliseconds(duration: number): string {
  if (duration >= 0 && duration <= 8.64e15) return String(Math.ceil(duration))
  throw new CheqpointError('argument-invalid', `a duration must be from 0 to 8.64e15 ms; it was ${duration}`)
}

/** A draft without its reference, which travels apart. */
export function draftArguments({ action, assistant, expiresAt, details, context }: Draft): readonly string[] {
  return [action, optional(assistant), optional(expiresAt === null ? null : String(expiresAt)), details, context]
}

/** What `add` and `bind` tell the scripts beside the record. */
export function addArguments({ dueInMs, sealed, parked }: AddOptions): readonly string[] {
  return [milliseconds(dueInMs), optional(sealed), optional(parked)]
}

export function readReason(text: string): ParkReason {
  // Scripts store no other reason than one that a method was given, and the types of those allow nothing else.
  return text as ParkReason
}

export function readDraft(reply: Reply): Draft {
  const ref = reply.textOrNull()
  const action = reply.text()
  const assistant = reply.textOrNull()
  const expiresAt = readTime(reply.textOrNull())
  return { ref, action, assistant, expiresAt, details: reply.text(), context: reply.text() }
}

export function readRecord(id: string, reply: Reply): ApprovalRecord {
  return { id, version: recordVersion, ...readDraft(reply) }
}

export function readTombstone(id: string, reply: Reply): Tombstone {
  const ref = reply.textOrNull()
  const action = reply.text()
  const assistant = reply.textOrNull()
  return {
    id,
    ref,
    action,
    assistant,
    // Only `complete` and `cancel` write it, and their types allow nothing else.
    outcome: reply.text() as Tombstone['outcome'],
    sealed: reply.textOrNull(),
    result: reply.textOrNull(),
  }
}

function readTime(text: string | null): number | null {
  const time = text === null ? null : Number(text)
  // No approval is too late for a moment that is no number.
  if (Number.isNaN(time)) throw wrongReply(text, 'a time')
  return time
}
