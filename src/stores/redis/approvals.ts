import type { ClaimAnswer, Snapshot, Store } from '../store.js'
import type { RedisKeys } from './keys.js'
import type { RedisLink } from './link.js'
import {
  addArguments,
  draftArguments,
  flag,
  milliseconds,
  optional,
  readReason,
  readRecord,
  readTombstone,
} from './records.js'
import type { Reply } from './replies.js'
import * as scripts from './scripts.js'

type Approvals = Pick<
  Store,
  'add' | 'claim' | 'knock' | 'extend' | 'seal' | 'release' | 'complete' | 'park' | 'retry' | 'cancel' | 'get'
>

/** What is done with a record whose id is known: one script a call, at the id's partition. */
export function redisApprovals(link: RedisLink, keys: RedisKeys, tombstone: 'full' | 'outcome-only'): Approvals {
  /**
   * Lets the reference be forgotten when the tombstone is. The record is done whether this arrives or not, so nobody
   * waits for it; where it is lost, about 150 bytes stay.
   */
  function forgetLater(ref: string | null, retention: string): void {
    if (ref === null) return
    const [key] = keys.reference(ref)
    void link.send(['PEXPIRE', key, retention], key).catch(() => {})
  }

  return {
    async add(record, options) {
      const { id, ref } = record
      const args = [id, optional(ref), '', ...addArguments(options), ...draftArguments(record)]
      return (await link.write(scripts.put, keys.approval(id), args)).oneOf('added', 'exists')
    },

    async claim(id, token, leaseMs, { ref, force, knock }) {
      const args = [id, token, milliseconds(leaseMs), optional(ref), flag(force), flag(knock)]
      return readClaim(id, await link.run(scripts.claim, keys.approval(id), args))
    },

    async knock(id, { ref, withinMs }) {
      const reply = await link.run(scripts.knock, keys.approval(id), [id, optional(ref), milliseconds(withinMs)])
      return reply.oneOf('knocked', 'done', 'parked', 'foreign', 'unknown')
    },

    async extend(id, token, leaseMs) {
      return fenced(await link.run(scripts.extend, keys.approval(id), [id, token, milliseconds(leaseMs)]), 'extended')
    },

    async seal(id, token, sealed) {
      const reply = await link.write(scripts.seal, keys.approval(id), [id, token, sealed])
      if (fenced(reply, 'sealed') === 'lost') return { kind: 'lost' }
      return { kind: 'sealed', sealed: reply.text(), starts: reply.integer() }
    },

    async release(id, token, { dueInMs, notBeforeMs, knocked, giveAttemptBack }) {
      const args = [id, token, milliseconds(dueInMs), milliseconds(notBeforeMs), flag(knocked), flag(giveAttemptBack)]
      return fenced(await link.run(scripts.release, keys.approval(id), args), 'released')
    },

    async complete(id, token, { outcome, result }, retentionMs) {
      const retention = expiry(retentionMs)
      const args = [id, token, outcome, optional(result), retention, flag(tombstone === 'full')]
      const reply = await link.write(scripts.complete, keys.approval(id), args)
      if (fenced(reply, 'done') === 'lost') return 'lost'
      forgetLater(reply.textOrNull(), retention)
      return 'done'
    },

    async park(id, token, reason, note) {
      return fenced(await link.write(scripts.park, keys.approval(id), [id, token, reason, note]), 'parked')
    },

    async retry(id) {
      const reply = await link.write(scripts.retry, keys.approval(id), [id])
      return reply.oneOf('pending', 'not-parked', 'unknown')
    },

    async cancel(id, retentionMs) {
      const retention = expiry(retentionMs)
      const reply = await link.write(scripts.cancel, keys.approval(id), [id, retention])
      const answer = reply.oneOf('cancelled', 'held', 'done', 'unknown')
      if (answer === 'cancelled') forgetLater(reply.textOrNull(), retention)
      return answer
    },

    async get(id) {
      return readSnapshot(id, await link.run(scripts.read, keys.approval(id), [id]))
    },
  }
}

/** The answer of a script that only the holder of the lease gets anything from. */
function fenced<const Done extends string>(reply: Reply, done: Done): Done | 'lost' {
  // What cannot be read any more is nobody's.
  return reply.kind === 'unreadable' ? 'lost' : reply.oneOf<Done | 'lost'>(done, 'lost')
}

/** A time to live: Redis has none of 0. */
function expiry(retentionMs: number): string {
  return milliseconds(Math.max(retentionMs, 1))
}

function readClaim(id: string, reply: Reply): ClaimAnswer {
  switch (reply.kind) {
    case 'claimed':
      return {
        kind: 'claimed',
        fence: reply.integer(),
        starts: reply.integer(),
        sealed: reply.textOrNull(),
        ageMs: reply.integer(),
        record: readRecord(id, reply),
      }
    case 'done':
      return { kind: 'done', tombstone: readTombstone(id, reply) }
    case 'parked':
      return { kind: 'parked', reason: readReason(reply.text()) }
    case 'held':
      return { kind: 'held', forMs: reply.integer() }
    case 'too-soon':
      return { kind: 'too-soon', inMs: reply.integer() }
  }
  return { kind: reply.oneOf('unknown', 'foreign', 'unreadable') }
}

function readSnapshot(id: string, reply: Reply): Snapshot | null {
  const state = reply.oneOf('none', 'done', 'pending', 'claimed', 'parked')
  if (state === 'none') return null
  if (state === 'done') return { state, tombstone: readTombstone(id, reply) }
  const common = {
    fence: reply.integer(),
    starts: reply.integer(),
    sealed: reply.textOrNull(),
    ageMs: reply.integer(),
  }
  return state === 'parked'
    ? { state, ...common, reason: readReason(reply.text()), note: reply.text(), record: readRecord(id, reply) }
    : { state, ...common, dueInMs: reply.integer(), record: readRecord(id, reply) }
}
