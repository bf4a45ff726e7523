import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createReceiver, memoryStore } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { createSimulator } from 'cheqpoint-callback/simulator'
import express from 'express'

/*
 * An app that is bundled and run without its packages: a receiver behind Express, and a simulator with its page. Prints
 * the transport of the API calls.
 */

const outer = globalThis.fetch
let carrier = 'undici'
globalThis.fetch = (input, init) => {
  if (String(input).includes('/api/')) carrier = 'fetch'
  return outer(input, init)
}

async function main(): Promise<void> {
  const simulator = await createSimulator({ apiKey: 'cq_live_bundlers' })
  const { url } = await simulator.listen()
  let port = 1
  const receiver = createReceiver({
    ...{ apiKey: 'cq_live_bundlers', baseUrl: url, store: memoryStore() },
    callbackSecret: 'a secret of the bundled app',
    callbackUrl: (token) => `http://127.0.0.1:${port}/webhooks/cheqpoint?token=${token}`,
    onDecision: ({ via, status }) => ({ via, status }),
  })
  const server = express().all('/webhooks/cheqpoint', expressCallback(receiver)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address === 'object' && address !== null) port = address.port
  await receiver.start()
  const request = { action: 'process_refund', summary: 'Refund $120', details: { amount: 120 } }
  const { approvalId } = await receiver.submit(request)
  simulator.decide(approvalId, { status: 'approved' })
  const { result } = await receiver.wait(approvalId, { timeoutMs: 60_000 })
  assert.deepEqual(result, { via: 'callback', status: 'approved' })

  const page = await (await fetch(url)).text()
  const files = [...page.matchAll(/(?:src|href)="(ui\/[^"]+)"/g)].map(([, path]) => path)
  assert.ok(files.some((path) => path?.endsWith('.js')) && files.some((path) => path?.endsWith('.css')))
  for (const path of files) assert.equal((await fetch(`${url}/${path}`)).status, 200, path)

  await receiver.close()
  await simulator.close()
  server.close()
  console.log(carrier)
}
void main()
