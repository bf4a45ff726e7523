import type { RequestListener } from 'node:http'
import { Pool } from 'undici'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createClient, createReceiver, isCheqpointError } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { refund } from '../support/receiver.js'
import { listenTls, selfSigned } from '../support/tls-server.js'
import { sendOver, transports } from '../support/transports.js'

/*
 * Somebody on the way to the API who answers in its place. All that is confirmed rests on his being told from it.
 */

const approval: RequestListener = (_, response) => response.end('{"id":"req_1","status":"APPROVED"}')

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason: unknown) => reason,
  )
  return isCheqpointError(error) ? `${error.code}: ${error.message}` : String(error)
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('a server in the place of the API', () => {
  it.each(
    transports.flatMap((transport) => [
      [transport, '', undefined] as const,
      [transport, ', even where Node.js is told to take any', '0'] as const,
    ]),
  )('T14: with an untrusted certificate gets no key over %s and confirms nothing%s', async (...row) => {
    const [transport, , lax] = row
    sendOver(transport)
    if (lax !== undefined) vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', lax)
    const { url, seen } = await listenTls(selfSigned(), approval)
    const runs: unknown[] = []
    const receiver = createReceiver({
      ...{ apiKey: 'cq_live_test', baseUrl: url, sweep: 'off' },
      onDecision: (decision) => void runs.push(decision),
    })
    await receiver.track('req_1', refund)
    const answer = await receiver.fetch(callbackRequest('req_1'))
    expect([answer.status, await answer.json()]).toMatchObject([502, { code: 'api-failed' }])
    expect([runs, seen]).toEqual([[], []])
    await receiver.close()
  })

  it('T14: with a trusted certificate for another host gets no key', async () => {
    const identity = selfSigned({ dnsName: 'other.test' })
    const { url, seen } = await listenTls(identity, approval)
    const dispatcher = new Pool(url, { connect: { ca: identity.cert } })
    const client = createClient({ apiKey: 'cq_live_test', baseUrl: url, dispatcher })
    expect(await codeOf(client.get('req_1'))).toMatch(/^api-unreachable: .*ERR_TLS_CERT_ALTNAME_INVALID/)
    expect(seen).toEqual([])
    await dispatcher.close()
  })

  it('T14: is used where its certificate is valid, so that it is the certificate that counts', async () => {
    const identity = selfSigned()
    const { url, seen } = await listenTls(identity, approval)
    const dispatcher = new Pool(url, { connect: { ca: identity.cert } })
    const client = createClient({ apiKey: 'cq_live_test', baseUrl: url, dispatcher })
    expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
    expect(seen).toMatchObject([{ 'x-api-key': 'cq_live_test' }])
    await dispatcher.close()
  })
})
