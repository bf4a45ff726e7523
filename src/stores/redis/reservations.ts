import { CheqpointError } from '../../model/errors.js'
import type { Draft } from '../record.js'
import type { AddOptions, Reservation, Store } from '../store.js'
import type { RedisKeys } from './keys.js'
import type { RedisLink } from './link.js'
import { addArguments, draftArguments, milliseconds, optional, readDraft, readReason } from './records.js'
import type { Reply } from './replies.js'
import * as scripts from './scripts.js'

type Reservations = Pick<Store, 'reserve' | 'bind' | 'hold' | 'discard' | 'postpone' | 'reservation'> & {
  /**
   * Finishes a binding that stopped half-way, and takes the record for `leaseMs`. Resolves with the id, or `null`
   * where there was nothing to finish, the id belongs to another record, or the record is parked.
   */
  resume(ref: string, leaseMs: number): Promise<string | null>
}

/** A reference that has its id, while the record may not be written yet. */
interface Half {
  readonly id: string
  readonly made: number
  readonly options: AddOptions
  readonly draft: Draft
}

/** A half-bound reference is finished by whoever meets it, so that another one is rare, and many are a fault. */
const mostRounds = 16

/**
 * What is done with our own references. A reference and the id that it gets may live in different partitions, so a
 * binding is three writes: the reference takes the id (`half`), the record is written, the reservation is dropped.
 * Each may be repeated by anybody; whoever meets a half-bound reference finishes it first, so nobody sees one.
 */
export function redisReservations(link: RedisLink, keys: RedisKeys): Reservations {
  /** The second and third write. */
  async function finish(ref: string, { id, made, options, draft }: Half): Promise<'bound' | 'conflict'> {
    const record = [id, optional(ref), String(made), ...addArguments(options), ...draftArguments(draft)]
    const reply = await link.write(scripts.put, keys.approval(id), record)
    const fresh = reply.oneOf('added', 'exists') === 'added'
    const verdict = fresh || reply.textOrNull() === ref ? 'bound' : 'conflict'
    const timeToLive = fresh || verdict === 'conflict' ? 0 : reply.integer()
    const settled = await link.write(scripts.settle, keys.reference(ref), [ref, id, verdict, String(timeToLive)])
    settled.oneOf('settled')
    return verdict
  }

  /** Repeats a script for as long as it meets a half-bound reference, and finishes that one each time. */
  async function whole(ref: string, ask: () => Promise<Reply>): Promise<Reply> {
    for (let round = 1; round <= mostRounds; round++) {
      const reply = await ask()
      if (reply.kind !== 'half') return reply
      await finish(ref, readHalf(reply))
    }
    throw endless()
  }

  return {
    async reserve(ref, draft, { dueInMs }) {
      const args = [ref, milliseconds(dueInMs), ...draftArguments(draft)]
      const reply = await whole(ref, () => link.write(scripts.reserve, keys.reference(ref), args))
      const kind = reply.oneOf('reserved', 'open', 'bound')
      return kind === 'bound' ? { kind, id: reply.text() } : { kind }
    },

    async bind(ref, id, options) {
      const args = [ref, id, ...addArguments(options)]
      for (let round = 1; round <= mostRounds; round++) {
        const reply = await link.write(scripts.bind, keys.reference(ref), args)
        if (reply.kind !== 'half') {
          if (reply.oneOf('bound', 'unknown') === 'unknown') return 'unknown'
          return reply.text() === id ? 'bound' : 'conflict'
        }
        const half = readHalf(reply)
        const verdict = await finish(ref, half)
        if (half.id === id) return verdict
      }
      throw endless()
    },

    async hold(ref, id) {
      const reply = await whole(ref, () => link.run(scripts.hold, keys.reference(ref), [ref, id]))
      return reply.oneOf('held', 'full', 'bound', 'unknown')
    },

    async discard(ref) {
      const reply = await whole(ref, () => link.run(scripts.discard, keys.reference(ref), [ref]))
      return reply.oneOf('discarded', 'bound', 'unknown')
    },

    async postpone(ref, dueInMs) {
      const args = [ref, milliseconds(dueInMs)]
      const reply = await whole(ref, () => link.run(scripts.postpone, keys.reference(ref), args))
      return reply.oneOf('postponed', 'bound', 'unknown')
    },

    async reservation(ref) {
      return readReservation(ref, await whole(ref, () => link.run(scripts.peek, keys.reference(ref), [ref])))
    },

    async resume(ref, leaseMs) {
      const reply = await link.run(scripts.peek, keys.reference(ref), [ref])
      if (reply.kind !== 'half') return null
      const half = readHalf(reply)
      const taken = { ...half, options: { ...half.options, dueInMs: leaseMs } }
      const bound = (await finish(ref, taken)) === 'bound'
      return bound && half.options.parked === undefined ? half.id : null
    },
  }
}

function endless(): CheqpointError {
  return new CheqpointError(
    'store-answer',
    'Redis goes on answering that a binding is half done, which ended each time',
  )
}

function readHalf(reply: Reply): Half {
  const id = reply.text()
  const made = reply.integer()
  const dueInMs = reply.integer()
  const sealed = reply.textOrNull() ?? undefined
  const reason = reply.textOrNull()
  const parked = reason === null ? undefined : readReason(reason)
  return { id, made, options: { dueInMs, sealed, parked }, draft: readDraft(reply) }
}

function readReservation(ref: string, reply: Reply): Reservation | null {
  if (reply.oneOf('open', 'none', 'bound') !== 'open') return null
  return { ref, ageMs: reply.integer(), draft: { ...readDraft(reply), ref }, candidates: reply.rest() }
}
