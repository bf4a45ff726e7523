import { createServer } from 'node:http'
import { serveUsage } from './usage.js'

/*
 * An API that approves whatever is asked for, at once or after a latency, with or without an edit of so many bytes:
 * `upstream.js [LATENCY_MS] [EDIT_BYTES]`.
 */
const [latencyMs = 0, editBytes = 0] = process.argv.slice(2).map(Number)

const line = { sku: 'A-1042', text: 'two of three, returned unopened', amount: 120.5, tags: ['refund', 'damaged'] }
const lines = Array.from({ length: Math.ceil(editBytes / JSON.stringify(line).length) }, () => line)
const edit = editBytes === 0 ? 'null' : JSON.stringify({ orderId: '8842', amount: 100, lines })

const server = createServer((request, response) => {
  const id = request.url?.split('/').at(-1)
  const body = `{"id":"${id}","status":"APPROVED","modifiedDetails":${edit},"decisionNote":"Fine.","decidedAt":"2026-11-20T09:00:00.000Z"}`
  const answer = (): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  if (latencyMs > 0) setTimeout(answer, latencyMs)
  else answer()
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => serveUsage(server))
