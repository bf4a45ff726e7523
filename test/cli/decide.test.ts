import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { cliHere, cliJson, told } from '../support/cli.js'
import { closedPort } from '../support/misbehaving-server.js'
import { type CallbackSink, callInside, openSink } from '../support/simulator-sink.js'

let simulator: Simulator
let sink: CallbackSink
let url: string

beforeEach(async () => {
  sink = await openSink()
  simulator = await createSimulator({ apiKey: 'k' })
  url = (await simulator.listen()).url
})
afterEach(async () => {
  await simulator.close()
  await sink.close()
})

async function submit(extra: object = {}): Promise<string> {
  const fields = { action: 'process_refund', summary: 'Refund $120', details: { amount: 120 }, ...extra }
  const headers = { 'x-api-key': 'k' }
  const answer = await callInside(simulator, '/api/webhooks/inbound', {
    ...{ method: 'POST', headers, body: JSON.stringify(fields) },
  })
  return String(Object(await answer.json()).approvalId)
}

const run = async (...args: string[]): Promise<ReturnType<typeof told>> =>
  told(await cliHere([...args, '--url', url, '--json']))
const refused = (code: string, message: string, fix: string) => ({
  ...{ code: 1, failed: true, document: { error: { code, message, fix } } },
})

describe('approve and reject', () => {
  it('decide a request and send its callback', async () => {
    const id = await submit({ callbackUrl: `${sink.url}?cq=token` })
    expect(await cliJson(['approve', id, '--url', url, '--note', 'Fine.'])).toEqual({
      ...{ code: 0, failed: false, document: { approvalId: id, result: 'approved' } },
    })
    await simulator.settled()
    const body = { approvalId: id, status: 'approved', modifiedDetails: null, decisionNote: 'Fine.' }
    expect(sink.received.map((each) => each.body)).toEqual([body])
  })

  it('say where the callback goes, without its token', async () => {
    const id = await submit({ callbackUrl: `${sink.url}?cq=token` })
    const { code, stdout } = await cliHere(['reject', id, '--url', url])
    expect([code, stdout]).toEqual([0, `${id}  rejected: the callback goes to ${sink.url}?…\n`])
    expect(simulator.list()[0]?.status).toBe('rejected')
  })

  it('say so if no callback is due', async () => {
    const { stdout } = await cliHere(['approve', await submit(), '--url', url])
    expect(stdout).toContain('approved: no callback is due, because the submission named no URL')
  })

  it('send the edited details with an approval', async () => {
    const id = await submit()
    expect(await run('approve', id, '--modified', '{"amount":90}')).toMatchObject({ code: 0 })
    expect(simulator.list()[0]).toMatchObject({ status: 'approved', modifiedDetails: { amount: 90 } })
  })

  it('refuse an edit with a rejection', async () => {
    const id = await submit()
    expect(await run('reject', id, '--modified', '{"amount":90}')).toMatchObject({
      ...{ code: 2, document: { error: { code: 'option-unknown' } } },
    })
    expect(simulator.list()[0]?.status).toBe('pending')
  })

  it('refuse a decided request, and show its decision', async () => {
    const id = await submit()
    simulator.decide(id, { status: 'rejected' })
    const fix = 'the first decision stands: submit a new request'
    expect(await run('approve', id)).toEqual(
      refused('request-decided', 'the request is decided already: rejected', fix),
    )
    expect(simulator.list()[0]?.status).toBe('rejected')
  })

  it('refuse an unknown id, and suggest a similar one', async () => {
    const id = await submit()
    const typo = id.replace(/.$/, 'zz')
    const message = `the simulator at ${url} has no request ${typo}`
    expect(await run('approve', typo)).toEqual(refused('request-unknown', message, `did you mean ${id}?`))
  })

  it('refuse an unknown id, and list pending requests, the newest first', async () => {
    const none = await run('approve', '7')
    const message = `the simulator at ${url} has no request 7`
    expect(none).toEqual(refused('request-unknown', message, 'no request waits for a decision'))
    const ids = [await submit(), await submit(), await submit(), await submit()]
    const waiting = ids.slice(1).reverse().join(', ')
    expect(await run('approve', '7')).toEqual(refused('request-unknown', message, `these wait: ${waiting}`))
  })

  it.each([
    ['200', 200, '{}'],
    ['404 of a web framework', 404, '{"error":"Not found"}'],
    ['403 of a proxy', 403, 'no'],
  ])('report that a server is not a simulator: %s', async (_, status, body) => {
    const server = createServer((_request, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const { code, document } = told(await cliHere(['approve', 'req_1', '--url', origin, '--json']))
    expect([code, document]).toMatchObject([1, { error: { code: 'simulator-unknown' } }])
  })

  it('exit with 3 if nothing listens there', async () => {
    const nowhere = `http://127.0.0.1:${await closedPort()}`
    expect(told(await cliHere(['approve', 'req_1', '--url', nowhere, '--json']))).toMatchObject({
      ...{ code: 3, document: { error: { code: 'unreachable' } } },
    })
  })
})
