import { describe, expect, it } from 'vitest'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { draft, hour } from '../../support/redis-bench.js'

/* What the Redis store makes of replies that its scripts never give: a broken client, a proxy, somebody else's data. */

const rest = ['refund', null, null, '{}', 'null']
const half = ['half', 'req_1', 1_795_000_000_000, 0, null, null, 'ref_1', ...rest]

/** A store whose every command is answered alike, and how many it sent. */
function answering(reply: (operands: readonly string[]) => unknown, partitions = 1) {
  const sent = { count: 0 }
  const store = redisStore({
    partitions,
    sendCommand: async (args) => {
      sent.count++
      if (sent.count > 5_000) throw new Error('commands without an end')
      return reply(args)
    },
  })
  return { store, sent }
}

describe('a record whose expiry is no number', () => {
  it.each(['soon', '12:00', '1e'])('is not read as one that never expires: %j', async (expires) => {
    const { store } = answering(() => ['claimed', 1, 0, null, 5, null, 'refund', null, expires, '{}', 'null'])
    await expect(store.claim('req_1', 'token', hour, {})).rejects.toMatchObject({ code: 'store-answer' })
  })
})

describe('replies that would go on for ever', () => {
  it.each(['reserve', 'bind', 'hold'] as const)(
    'end with store-answer where a binding stays half done, at %s',
    async (call) => {
      // The second write finds the record there, the third settles, and the reference is half-bound all the same.
      const { store, sent } = answering(() => {
        if (sent.count % 3 === 1) return half
        return sent.count % 3 === 2 ? ['exists', 'ref_1', 0] : ['settled']
      })
      const asked = {
        reserve: () => store.reserve('ref_1', draft({ ref: 'ref_1' }), { dueInMs: 0 }),
        bind: () => store.bind('ref_1', 'req_2', { dueInMs: 0 }),
        hold: () => store.hold('ref_1', 'req_1'),
      }
      await expect(asked[call]()).rejects.toMatchObject({ code: 'store-answer' })
    },
  )

  it('end with nothing taken where what is due is always gone', async () => {
    // A look has one argument besides its key, a take has two.
    const { store } = answering((args) => (args.length === 5 ? ['due', 'a:req_1', '1'] : ['due']), 2)
    expect(await store.takeDue(4, hour)).toEqual([])
  })

  it('end with a short page, from which the next one goes on', async () => {
    const { store } = answering(([, , keys]) => (keys === '1' ? page : ['none']))
    const page = ['page', 'req_1', '1', 'req_2', '1', 'req_3', '1']
    const { items, cursor } = await store.list({ state: 'parked', limit: 2 })
    expect(items).toEqual([])
    expect(cursor).not.toBeNull()
  })
})
