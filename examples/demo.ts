/*
 * A tour on one machine: the simulator, an Express app and a Hono app that submit requests and receive decisions. You
 * are the reviewer. With `--auto` the demo decides by itself and checks the results.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { createReceiver, type Decision, type Run, type TypedReceiver } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { honoCallback } from 'cheqpoint-callback/hono'
import { createSimulator, type Simulator } from 'cheqpoint-callback/simulator'
import express from 'express'
import { Hono } from 'hono'

interface App {
  readonly name: string
  readonly url: string
  readonly receiver: TypedReceiver
  /** One line for each run of the handler. */
  readonly runs: string[]
  readonly close: () => Promise<void>
}

const path = '/webhooks/cheqpoint'
const apiKey = 'cq_live_demo'

/** A receiver whose handler records each run. */
function receiverFor(
  name: string,
  port: number,
  baseUrl: string,
  runs: string[],
  callbackSecret?: string,
): TypedReceiver {
  return createReceiver({
    apiKey,
    baseUrl,
    callbackUrl: `http://127.0.0.1:${port}${path}`,
    callbackSecret,
    polling: { firstMs: 500, maxMs: 2_000 },
    onDecision(decision: Decision, run: Run) {
      const details = decision.status === 'approved' ? ` ${JSON.stringify(decision.details)}` : ''
      runs.push(`${decision.status}${details}, found by ${decision.via}, attempt ${run.attempt}`)
      console.log(`     [${name}] handler: ${runs.at(-1)}`)
    },
  })
}

async function startExpress(baseUrl: string): Promise<App> {
  const runs: string[] = []
  const app = express()
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const port = portOf(server.address())
  const receiver = receiverFor('express', port, baseUrl, runs, 'a secret for tokens in callback URLs')
  app.post(path, expressCallback(receiver))
  await receiver.start()
  const close = async (): Promise<void> => {
    await receiver.close()
    server.close()
  }
  return { name: 'express', url: `http://127.0.0.1:${port}${path}`, receiver, runs, close }
}

async function startHono(baseUrl: string): Promise<App> {
  const runs: string[] = []
  const app = new Hono()
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const port = portOf(server.address())
  const receiver = receiverFor('hono', port, baseUrl, runs)
  app.post(path, honoCallback(receiver))
  await receiver.start()
  const close = async (): Promise<void> => {
    await receiver.close()
    server.close()
  }
  return { name: 'hono', url: `http://127.0.0.1:${port}${path}`, receiver, runs, close }
}

function portOf(address: ReturnType<ReturnType<typeof serve>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

async function submitRefund(app: App, amount: number): Promise<string> {
  const details = { orderId: '8842', amount, currency: 'USD' }
  const { approvalId } = await app.receiver.submit({ action: 'process_refund', summary: `Refund $${amount}`, details })
  return approvalId
}

/** Decides each request and prints what happened. Resolves with whether all of it was as promised. */
async function playReviewer(simulator: Simulator, onExpress: App, onHono: App): Promise<boolean> {
  let good = true
  const check = (observed: string, asPromised: boolean): void => {
    good &&= asPromised
    console.log(`  ${asPromised ? 'ok' : 'NOT AS PROMISED'}  ${observed}`)
  }
  const answers = (): (number | null)[] => simulator.deliveries().map(({ answer }) => answer?.status ?? null)
  const gets = (): number => simulator.requests().filter(({ method }) => method === 'GET').length

  console.log('\n1. A refund is approved, and Cheqpoint sends the callback to the Express app.')
  const first = await submitRefund(onExpress, 120)
  simulator.decide(first, { status: 'approved', note: 'Fine.' })
  await simulator.settled()
  check(`response ${answers().at(-1)}, handler ran ${onExpress.runs.length} time(s)`, onExpress.runs.length === 1)

  console.log('2. The same callback comes again.')
  const again = await simulator.redeliver(first)
  check(
    `response ${again.status}, handler ran ${onExpress.runs.length} time(s) in all`,
    again.status === 200 && onExpress.runs.length === 1,
  )

  console.log('3. A stranger forges an approval of a pending request. The Hono app does not require tokens.')
  const pending = await submitRefund(onHono, 9_999)
  const asked = gets()
  const forged = await simulator.sendCallback({ to: onHono.url, approvalId: pending, status: 'approved' })
  check(
    `response ${forged.status}, called the API ${gets() - asked} time(s), handler ran ${onHono.runs.length} time(s)`,
    onHono.runs.length === 0,
  )

  console.log('4. The same with the Express app, which requires them.')
  const guarded = await submitRefund(onExpress, 9_999)
  const tokenless = await simulator.sendCallback({ to: onExpress.url, approvalId: guarded, status: 'approved' })
  check(
    `response ${tokenless.status}, handler ran ${onExpress.runs.length} time(s) in all`,
    tokenless.status === 401 && onExpress.runs.length === 1,
  )

  console.log('5. A callback names an unknown approval.')
  const unknown = await simulator.sendCallback({ to: onHono.url, approvalId: 'req_nobody', status: 'approved' })
  check(`response ${unknown.status}`, unknown.status === 404)

  console.log('6. The reviewer rejects the request that was forged as approved.')
  simulator.decide(pending, { status: 'rejected', note: 'No.' })
  await until(() => onHono.runs.length > 0)
  check(`the handler got: ${onHono.runs[0]}`, onHono.runs[0]?.startsWith('rejected') === true)

  console.log('7. The reviewer approves another one, with the amount edited.')
  const edited = await submitRefund(onHono, 500)
  simulator.decide(edited, { status: 'approved', modifiedDetails: { orderId: '8842', amount: 50, currency: 'USD' } })
  await until(() => onHono.runs.length > 1)
  check(`the handler got: ${onHono.runs[1]}`, onHono.runs[1]?.includes('"amount":50,') === true)

  console.log('8. A callback is lost.')
  simulator.faults.drop = true
  const decidedAt = performance.now()
  simulator.decide(guarded, { status: 'approved' })
  await until(() => onExpress.runs.length > 1)
  const found = onExpress.runs[1] ?? 'nothing'
  check(
    `the sweep found it ${((performance.now() - decidedAt) / 1000).toFixed(1)} s later`,
    found.includes('found by poll'),
  )
  return good
}

/** Waits for a condition, ten seconds at most. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !isSo() && performance.now() < end; ) await sleep(20)
}

/** Lets a person decide in the terminal. */
async function letPersonDecide(simulator: Simulator, apps: readonly App[]): Promise<void> {
  const list = (): void => {
    const open = simulator.list({ status: 'pending' })
    for (const [at, { action, details }] of open.entries())
      console.log(`  ${at + 1}  ${action} ${JSON.stringify(details)}`)
    if (open.length === 0) console.log('  no open requests')
  }
  console.log(
    '\na N approves, r N rejects, e N AMOUNT approves another amount, d switches lost callbacks on and off, q quits.\n',
  )
  for (const app of apps) await submitRefund(app, 120)
  list()
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  terminal.prompt()
  for await (const line of terminal) {
    const [word, number, amount] = line.trim().split(/\s+/)
    const request = simulator.list({ status: 'pending' })[Number(number) - 1]
    if (word === 'q') break
    if (word === 'd') {
      simulator.faults.drop = !simulator.faults.drop
      console.log(`  callbacks are ${simulator.faults.drop ? 'lost from now on' : 'sent again'}`)
    } else if (request === undefined) list()
    else if (word === 'a') simulator.decide(request.id, { status: 'approved' })
    else if (word === 'r') simulator.decide(request.id, { status: 'rejected' })
    else if (word === 'e' && Number(amount) > 0) {
      simulator.decide(request.id, {
        status: 'approved',
        modifiedDetails: { ...request.details, amount: Number(amount) },
      })
    } else list()
    await simulator.settled()
    terminal.prompt()
  }
  terminal.close()
}

const simulator = await createSimulator({ apiKey })
const { url } = await simulator.listen()
const apps = [await startExpress(url), await startHono(url)] as const
console.log(`Simulator:   ${url}\nExpress app: ${apps[0].url}\nHono app:    ${apps[1].url}`)
let good = true
if (process.argv.includes('--auto')) good = await playReviewer(simulator, ...apps)
else await letPersonDecide(simulator, apps)
for (const app of apps) await app.close()
await simulator.close()
if (process.argv.includes('--auto')) console.log(good ? '\nAll as promised.' : '\nNot as promised.')
process.exitCode = good ? 0 : 1
