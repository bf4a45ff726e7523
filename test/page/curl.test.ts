import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { type CallbackSink, nextSubmission, openSink } from '../support/simulator-sink.js'

/*
 * The exact commands of Cheqpoint's HTTP page, and their documented output. Only the host, the key, the id and the
 * callback URL are replaced.
 */

const submitBlocking = `curl -X POST https://app.cheqpoint.co/api/approvals/request \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: cq_live_xxxxxxxxxxxx" \\
  -d '{
    "action": "process_refund",
    "summary": "Refund $120.00 for order #8842",
    "details": { "orderId": "8842", "amount": 120.00, "currency": "USD" },
    "riskLevel": "high"
  }'`
const submitBlockingPrints = `{ "id": "req_abc123", "status": "PENDING" }`

const poll = `curl https://app.cheqpoint.co/api/approvals/req_abc123 \\
  -H "x-api-key: cq_live_xxxxxxxxxxxx"`
const pollPrints = `{
  "id": "req_abc123",
  "status": "APPROVED",
  "modifiedDetails": null,
  "decisionNote": "Looks good",
  "decidedAt": "2025-03-18T14:32:00.000Z"
}`

const submitShortWait = `curl -X POST https://app.cheqpoint.co/api/webhooks/inbound \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: cq_live_xxxxxxxxxxxx" \\
  -d '{
    "action": "process_refund",
    "summary": "Refund $120.00 for order #8842",
    "details": { "orderId": "8842", "amount": 120.00 },
    "maxWaitMs": 10000
  }'`
const submitShortWaitPrints = `{ "status": "approved", "approvalId": "req_abc123", "modifiedDetails": null }`

const submitWithCallback = `curl -X POST https://app.cheqpoint.co/api/webhooks/inbound \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: cq_live_xxxxxxxxxxxx" \\
  -d '{
    "action": "process_refund",
    "summary": "Refund $120.00 for order #8842",
    "details": { "orderId": "8842", "amount": 120.00 },
    "callbackUrl": "https://your-backend.example.com/webhooks/cheqpoint"
  }'`
const stillPendingPrints = `{ "status": "pending", "approvalId": "req_abc123", "reviewUrl": "https://..." }`
const callbackPosts = `{
  "approvalId": "req_abc123",
  "status": "approved",
  "modifiedDetails": null,
  "decisionNote": "Approved."
}`

const apiKey = 'cq_live_local'
const hasCurl = spawnSync('curl', ['--version']).status === 0
const isCi = Boolean(process.env['CI'])
if (!hasCurl) console.warn('curl is not installed: the documented commands are NOT tested')

let simulator: Simulator
let sink: CallbackSink
let url: string

beforeEach(async () => {
  const decided = Date.parse('2025-03-18T14:32:00.000Z')
  simulator = await createSimulator({ apiKey, clock: { now: () => decided, elapsed: () => 0 } })
  url = (await simulator.listen()).url
  sink = await openSink()
})

afterEach(async () => {
  await simulator.close()
  await sink.close()
})

async function run(command: string, id = 'req_none'): Promise<unknown> {
  const local = command
    .replaceAll('https://app.cheqpoint.co', url)
    .replaceAll('https://your-backend.example.com/webhooks/cheqpoint', sink.url)
    .replaceAll('cq_live_xxxxxxxxxxxx', apiKey)
    .replaceAll('req_abc123', id)
  const env = { ...process.env, NO_PROXY: '*', no_proxy: '*' }
  const { stdout } = await promisify(execFile)('sh', ['-c', local], { env })
  return JSON.parse(stdout)
}

/** The documented output for this id. */
const documented = (prints: string, id: string): unknown => JSON.parse(prints.replaceAll('req_abc123', id))

// In CI a missing curl is a failure, not a skip.
describe.skipIf(!hasCurl && !isCi)('the documented curl commands', () => {
  it('submit a request, and read its decision', async () => {
    const submitted = nextSubmission(simulator)
    const printed = await run(submitBlocking)
    const id = await submitted
    expect(printed).toStrictEqual(documented(submitBlockingPrints, id))
    expect(simulator.list()[0]?.submission).toMatchObject({ summary: 'Refund $120.00 for order #8842' })
    expect(await run(poll, id)).toMatchObject({ id, status: 'PENDING' })
    simulator.decide(id, { status: 'approved', note: 'Looks good' })
    expect(await run(poll, id)).toStrictEqual(documented(pollPrints, id))
  })

  it('wait briefly for a decision and get it inline', async () => {
    const submitted = nextSubmission(simulator)
    const printed = run(submitShortWait)
    const id = await submitted
    simulator.decide(id, { status: 'approved' })
    expect(await printed).toStrictEqual(documented(submitShortWaitPrints, id))
  })

  it('give a callback URL and get a callback', async () => {
    const submitted = nextSubmission(simulator)
    const printed = await run(submitWithCallback)
    const id = await submitted
    const pending = documented(stillPendingPrints, id) as object
    expect(printed).toStrictEqual({ ...pending, reviewUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#req_/) })
    simulator.decide(id, { status: 'approved', note: 'Approved.' })
    await simulator.settled()
    expect(sink.received.map(({ body }) => body)).toStrictEqual([documented(callbackPosts, id)])
  })
})
