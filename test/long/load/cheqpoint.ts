import { createServer, type ServerResponse } from 'node:http'
import { Log } from '../../support/log.js'
import { type Truth, truthOf } from '../../support/truth.js'
import type { CheqpointPlan } from './messages.js'
import { onOrder, readPlan, say, Watch } from './process.js'

/*
 * A process in the role of Cheqpoint: every approval is pending until the reviewer decides it, and each GET is logged
 * before its response. Shares no code with the library.
 */

interface Decided {
  readonly at: string
  readonly truth: Truth
}

const plan = readPlan<CheqpointPlan>()
const log = new Log(plan.log)
const decisions = new Map<string, Decided>()

function decide(id: string): void {
  const truth = truthOf(plan.seed, Number(id.split('_')[1]))
  log.write('decided', id, truth.effect.status, truth.effect.amount)
  decisions.set(id, { at: new Date().toISOString(), truth })
}

function show(id: string, out: ServerResponse): void {
  log.write('get', id)
  const { truth, at = null } = decisions.get(id) ?? {}
  const { status = 'PENDING', modifiedDetails = null } = truth ?? {}
  const body = JSON.stringify({ id, status, modifiedDetails, decisionNote: null, decidedAt: at })
  out.writeHead(200, { 'content-type': 'application/json' }).end(body)
}

const server = createServer((request, response) => {
  const id = request.url?.split('/').at(-1) ?? ''
  if (request.method === 'GET') return show(id, response)
  decide(id)
  response.writeHead(204).end()
})
server.keepAliveTimeout = 60_000
const watch = new Watch()
onOrder(({ kind }) => {
  if (kind === 'watch') watch.start()
  else if (kind === 'report') watch.report()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address !== 'string') say({ kind: 'listening', port: address.port })
})
