import { describe, expect, it } from 'vitest'
import { keyedRef } from '../../../src/submit/refs.js'
import { callbackRequest } from '../../support/callback.js'
import { sharedStore } from '../../support/overlay-store.js'
import { bench, refund } from '../../support/receiver.js'

/*
 * While a fleet is upgraded, processes of this version meet entries of the next one. They leave them untouched.
 */

const ref = keyedRef('step-1')

async function withNewerEntries() {
  const store = sharedStore()
  const { now } = await store.read('a:req_1')
  const newer = { v: 2, kind: 'open', unheardOf: true }
  await store.write('a:req_1', null, { stamp: 'n1', dueAt: now, parkedAt: null, state: newer })
  await store.write('a:req_2', null, { stamp: 'n2', dueAt: null, parkedAt: now, state: newer })
  await store.write(`r:${ref}`, null, { stamp: 'n3', dueAt: now, parkedAt: null, state: { ...newer, kind: 'sent' } })
  const kept = async () =>
    Promise.all(['a:req_1', 'a:req_2', `r:${ref}`].map(async (key) => (await store.read(key)).entry))
  return { ...bench({ store }), kept, before: await kept() }
}

describe('an entry of a newer version', () => {
  it('is never changed or removed by an older process, whatever the call', async () => {
    const { receiver, kept, before, api } = await withNewerEntries()
    for (const id of ['req_1', 'req_2']) {
      expect(await receiver.track(id, refund)).toBe(false)
      expect(await receiver.resolve(id)).toMatchObject({ kind: 'parked', reason: 'corrupt' })
      expect((await receiver.fetch(callbackRequest(id))).status).toBe(202)
      expect(await receiver.retry(id)).toBe('not-parked')
      expect(await receiver.cancel(id)).toBe('unknown')
    }
    // The first may be decided at any moment, by a process of the newer version. The second is parked.
    await expect(receiver.wait('req_1', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'wait-timeout' })
    await expect(receiver.wait('req_2', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'parked' })
    expect(await receiver.discard(ref)).toBe('unknown')
    const request = { ...refund, summary: 'Refund $120' }
    await expect(receiver.submit(request, { idempotencyKey: 'step-1' })).rejects.toMatchObject({
      code: 'submission-unknown',
    })
    await receiver.reconcile()
    await receiver.close()
    const withoutDue = (all: typeof before) => all.map((entry) => entry && { ...entry, dueAt: null })
    // A sweep hides what it takes, for a moment: it is due again for a process that can read it.
    expect(withoutDue(await kept())).toEqual(withoutDue(before))
    expect((await kept()).map((entry) => entry?.dueAt === null)).toEqual([false, true, false])
    expect(api.requests).toEqual([])
  })

  it('is shown to a person as one that cannot be read', async () => {
    const { receiver } = await withNewerEntries()
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_2', reason: 'corrupt' }])
    expect((await receiver.unconfirmed()).items).toEqual([])
    await receiver.close()
  })
})
