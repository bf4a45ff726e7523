import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createClient } from '../../../src/cheqpoint/client.js'
import type { Client } from '../../../src/cheqpoint/client-types.js'
import { misbehave } from '../../support/misbehaving-server.js'
import { sendOver } from '../../support/transports.js'

const approved = JSON.stringify({ id: 'req_1', status: 'APPROVED' })

/** A client of a server that approves, and what it gave to `fetch`. */
async function watched(): Promise<{ readonly client: Client; readonly calls: readonly Parameters<typeof fetch>[] }> {
  const server = await misbehave((_, response) => response.end(approved))
  const fetch = vi.spyOn(globalThis, 'fetch')
  onTestFinished(() => fetch.mockRestore())
  const client = createClient({ apiKey: 'cq_live_test', baseUrl: server.url })
  onTestFinished(() => client.close())
  return { client, calls: fetch.mock.calls }
}

describe('a client without a dispatcher', () => {
  it('sends with undici where it can', async () => {
    const { client, calls } = await watched()
    expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
    expect(calls).toHaveLength(0)
  })

  it('sends with fetch where undici cannot dispatch, and asks no cache', async () => {
    sendOver('fetch')
    const { client, calls } = await watched()
    expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
    expect(calls).toMatchObject([[expect.any(String), { method: 'GET', redirect: 'manual', cache: 'no-store' }]])
  })

  it('sends with fetch where undici cannot be loaded', async () => {
    vi.doMock('undici', () => {
      throw new Error('no node:net here')
    })
    onTestFinished(() => void vi.doUnmock('undici'))
    const { client, calls } = await watched()
    expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
    expect(calls).toHaveLength(1)
  })

  it('sends with fetch in workerd, where undici loads and cannot work', async () => {
    vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
    onTestFinished(() => void vi.unstubAllGlobals())
    const { client, calls } = await watched()
    expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
    expect(calls).toHaveLength(1)
  })

  it('closes over fetch once the last answer is complete', async () => {
    sendOver('fetch')
    const steps: string[] = []
    const server = await misbehave((_, response) => {
      response.write(approved)
      setTimeout(() => {
        steps.push('sent')
        response.end()
      }, 50)
    })
    const client = createClient({ apiKey: 'cq_live_test', baseUrl: server.url })
    const asked = client.get('req_1')
    await client.close()
    steps.push('closed')
    await asked
    expect(steps).toEqual(['sent', 'closed'])
  })
})
