import { afterEach, describe, expect, it, vi } from 'vitest'
import { createClient } from '../../../src/cheqpoint/client.js'
import { misbehave } from '../../support/misbehaving-server.js'
import { failure } from '../../support/submit-bench.js'

afterEach(() => {
  vi.useRealTimers()
})

/** A client of an API that never responds. */
async function hanging(timeoutMs: number) {
  const { url, requests, sockets } = await misbehave(() => {})
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return { client: createClient({ apiKey: 'k', baseUrl: url, timeoutMs }), requests, cut }
}

describe('fake timers around a call', () => {
  it('leave the time-outs of later calls alone: each call has its own timers', async () => {
    const { client, requests, cut } = await hanging(50)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    // Its timer is a fake one that never ends: jest and vitest drop such timers with the test.
    const lost = failure(client.get('req_1'))
    vi.useRealTimers()
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-timeout' })
    cut()
    expect(await lost).toMatchObject({ code: expect.stringMatching(/^api-/) })
    await client.close()
  })

  it('do not end a call whose own timers are real', async () => {
    const { client } = await hanging(50)
    const ended = failure(client.get('req_1'))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    vi.useRealTimers()
    expect(await ended).toMatchObject({ code: 'api-timeout' })
    await client.close()
  })
})

describe('an interval near the longest timer', () => {
  it('is one long pause, with the most jitter too', async () => {
    const { url, requests } = await misbehave((_, response) => {
      const body = { id: 'req_1', status: 'PENDING', modifiedDetails: null, decisionNote: null, decidedAt: null }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    const client = createClient({ apiKey: 'k', baseUrl: url, random: () => 0.999_999 })
    const wait = { timeoutMs: 500, intervalMs: 2_147_483_647 }
    expect(await failure(client.waitForDecision('req_1', wait))).toMatchObject({ code: 'wait-timeout' })
    expect(requests).toHaveLength(1)
    await client.close()
  })
})
