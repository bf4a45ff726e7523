import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createReceiver } from '../../src/index.js'
import { createSimulator } from '../../src/simulator/index.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { storeContract } from '../../src/testing/index.js'
import { describeWith } from '../support/needs.js'
import { sharedRedis } from '../support/redis-server.js'

/*
 * A short test on a real Redis: the store contract with one client, and a decision whose callback is lost.
 * `test/redis/` has the rest.
 */
describeWith('redis-server', 'redis-smoke', () => {
  let server: Awaited<ReturnType<typeof sharedRedis>>
  let client: ReturnType<typeof createClient>
  const sendCommand: SendCommand = (args) => client.sendCommand([...args])
  beforeAll(async () => {
    server = await sharedRedis()
    client = await createClient({ url: server.url }).connect()
  })
  afterAll(async () => {
    await client.close()
    await server.stop()
  })

  const harness = { create: async () => ({ store: redisStore({ sendCommand, prefix: randomUUID() }) }) }
  for (const { name, run } of storeContract(harness)) it(`the store ${name}`, run)

  it('the sweep finds a decision whose callback was lost, and runs it once', async () => {
    const cheqpoint = await createSimulator({ apiKey: 'cq_live_smoke' })
    const { url } = await cheqpoint.listen()
    const decisions: string[] = []
    const handled = new Promise<void>((resolve) => {
      const receiver = createReceiver({
        apiKey: 'cq_live_smoke',
        baseUrl: url,
        store: redisStore({ sendCommand, prefix: randomUUID() }),
        polling: { firstMs: 50, maxMs: 50 },
        onDecision: ({ status }) => void decisions.push(status),
        async onEvent({ type }) {
          if (type !== 'completed') return
          await receiver.close()
          resolve()
        },
      })
      void receiver
        .start()
        .then(() => receiver.submit({ action: 'refund', summary: 'Refund $1', details: { amount: 1 } }))
        .then(({ approvalId }) => cheqpoint.decide(approvalId, { status: 'approved' }))
    })
    await handled
    expect(decisions).toEqual(['approved'])
    await cheqpoint.close()
  })
})
