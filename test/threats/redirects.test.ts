import { Agent, getGlobalDispatcher, interceptors, request, setGlobalDispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { bodyFor, callback } from '../support/adapters-bench.js'
import { hosts } from '../support/hosts.js'
import { type MisbehavingServer, misbehave } from '../support/misbehaving-server.js'
import { eventsOf } from '../support/runs-events.js'
import { failure, refund } from '../support/submit-bench.js'
import { answerBody, upstreamBench } from '../support/upstream-bench.js'

/*
 * Clients that follow redirects forward `x-api-key` to wherever they are sent. Here the process itself is set up to
 * follow them, as an app may have done for its own calls.
 */

const before = getGlobalDispatcher()
beforeEach(() => {
  setGlobalDispatcher(new Agent().compose(interceptors.redirect({ maxRedirections: 5 })))
})
afterEach(async () => {
  const following = getGlobalDispatcher()
  setGlobalDispatcher(before)
  await following.close()
})

interface Redirection {
  readonly api: MisbehavingServer
  readonly evil: MisbehavingServer
}

async function redirect(status: number): Promise<Redirection> {
  const evil = await misbehave((_, response) => response.end(answerBody()))
  const api = await misbehave((_, response) => {
    response.writeHead(status, { location: `${evil.url}/api/approvals/req_1?stolen=yes` }).end(answerBody())
  })
  return { api, evil }
}

const statuses = [301, 302, 303, 307, 308]
const named = ['Express, app.all', 'Hono on Node.js, app.all inside a route', 'receiver.fetch']

it.each(statuses)('an ordinary client that is sent elsewhere with %i takes the key along', async (status) => {
  const { api, evil } = await redirect(status)
  await (await request(`${api.url}/api/approvals/req_1`, { headers: { 'x-api-key': 'cq_live_test' } })).body.dump()
  expect(evil.requests).toMatchObject([{ headers: { 'x-api-key': 'cq_live_test' } }])
})

describe.each(hosts.filter(({ name }) => named.includes(name)).map((host) => [host.name, host] as const))(
  'behind %s',
  (_, { open }) => {
    it.each(statuses)('T51: a redirect with %i ends the GET, and no other host gets a request', async (status) => {
      const { api, evil } = await redirect(status)
      for (const [sweep, answered] of [
        ['elsewhere', 202],
        ['off', 502],
      ] as const) {
        const bench = await upstreamBench(api.url, { sweep })
        const host = await open(bench.receiver)
        onTestFinished(() => host.close())
        const answer = await host.send(callback({ body: bodyFor('req_1') }))
        expect(answer.status).toBe(answered)
        expect(answer.body).not.toMatch(/127\.0\.0\.1|stolen|redirect/)
        expect(bench.runs).toEqual([])
        expect(bench.calls().filter((method) => method !== 'check')).toEqual(['read', 'write', 'write'])
        expect(eventsOf(bench.events, 'released')).toMatchObject([{ reason: 'api-failed', code: 'api-redirect' }])
        expect(JSON.stringify(bench.events)).not.toMatch(/127\.0\.0\.1|stolen/)
      }
      expect(api.requests).toHaveLength(2)
      expect([evil.requests, evil.sockets]).toEqual([[], []])
    })
  },
)

it.each(statuses)(
  'T51: a submission that is answered %i is sent nowhere else, and rejects with submission-unknown',
  async (status) => {
    const { api, evil } = await redirect(status)
    const { receiver } = await upstreamBench(api.url)
    const error = await failure(receiver.submit(refund))
    expect(error.code).toBe('submission-unknown')
    expect(error.message).toContain(new URL(evil.url).host)
    expect(`${error.stack}${JSON.stringify(error)}`).not.toMatch(/stolen|cq_live_test|8842/)
    expect(api.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
    expect([evil.requests, evil.sockets]).toEqual([[], []])
  },
)

it.each([300, 304, 305, 399])('T51: a response with %i decides nothing either, whatever its body', async (status) => {
  const { api, evil } = await redirect(status)
  const { send, runs, events } = await upstreamBench(api.url)
  expect((await send()).status).toBe(202)
  expect(eventsOf(events, 'released')).toMatchObject([{ code: 'api-redirect' }])
  expect([runs, evil.sockets]).toEqual([[], []])
})
