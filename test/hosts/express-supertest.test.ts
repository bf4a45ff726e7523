import express from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, it } from 'vitest'
import { expressCallback } from '../../adapters/express.js'
import { createReceiver, type TypedReceiver } from '../../src/index.js'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'

/*
 * The Express adapter, tested as users test their apps: one app, one route, supertest. The simulator replaces
 * Cheqpoint; each test sends the callbacks.
 */

let cheqpoint: Simulator
let receiver: TypedReceiver
let refunds: unknown[]
let app: express.Express

beforeEach(async () => {
  cheqpoint = await createSimulator({ apiKey: 'cq_live_supertest' })
  const { url } = await cheqpoint.listen()
  refunds = []
  receiver = createReceiver({
    apiKey: 'cq_live_supertest',
    baseUrl: url,
    sweep: 'off',
    onDecision(decision) {
      if (decision.status === 'approved') refunds.push(decision.details)
    },
  })
  app = express().use(express.json()).post('/webhooks/cheqpoint', expressCallback(receiver))
  return async () => {
    await receiver.close()
    await cheqpoint.close()
  }
})

/** Submits a request that is pending. */
async function submitted(): Promise<string> {
  const submission = await receiver.submit({
    action: 'process_refund',
    summary: 'Refund $120',
    details: { orderId: '8842', amount: 120 },
  })
  return submission.approvalId
}

/** The body that Cheqpoint posts. */
function callback(approvalId: string): request.Test {
  return request(app)
    .post('/webhooks/cheqpoint')
    .set('User-Agent', 'Cheqpoint-Callback/1.0')
    .send({ approvalId, status: 'approved', modifiedDetails: null, decisionNote: null })
}

describe('an Express app, tested with supertest', () => {
  it('handles an approved callback once, and gives its copy the same response', async () => {
    const id = await submitted()
    cheqpoint.decide(id, { status: 'approved' })
    await callback(id).expect(200, { result: 'handled' }).expect('Cache-Control', 'no-store')
    await callback(id).expect(200, { result: 'handled' })
    expect(refunds).toEqual([{ orderId: '8842', amount: 120 }])
  })

  it('runs what the API confirms, not what the callback claims', async () => {
    const id = await submitted()
    cheqpoint.decide(id, { status: 'rejected' })
    await callback(id).expect(200)
    expect(refunds).toEqual([])
  })

  it('responds to a callback before its decision with a request to retry', async () => {
    const id = await submitted()
    const response = await callback(id)
      .expect(409)
      .expect('Content-Type', /problem\+json/)
    expect(response.body).toMatchObject({ code: 'undecided' })
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
    expect(refunds).toEqual([])
  })

  it('refuses an unknown approval, another agent, another method and an invalid body', async () => {
    await callback('req_unknown').expect(404)
    await request(app).post('/webhooks/cheqpoint').send({ approvalId: 'req_1' }).expect(403)
    await request(app).get('/webhooks/cheqpoint').expect(404)
    await request(app)
      .post('/webhooks/cheqpoint')
      .set('User-Agent', 'Cheqpoint-Callback/1.0')
      .send({ status: 'approved' })
      .expect(400)
  })

  it('responds with 503 after the receiver was closed', async () => {
    const id = await submitted()
    await receiver.close()
    await callback(id).expect(503).expect('Retry-After', '1')
  })
})
