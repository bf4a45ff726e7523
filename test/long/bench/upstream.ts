import { createServer } from 'node:http'
import { serveUsage } from './usage.js'

/* An API that approves whatever is asked for, at once or after a given latency: `upstream.js [LATENCY]`. */
const latencyMs = Number(process.argv[2] ?? 0)

const server = createServer((request, response) => {
  const id = request.url?.split('/').at(-1)
  const body = `{"id":"${id}","status":"APPROVED","modifiedDetails":null,"decisionNote":"Fine.","decidedAt":"2026-11-20T09:00:00.000Z"}`
  const answer = (): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  if (latencyMs > 0) setTimeout(answer, latencyMs)
  else answer()
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => serveUsage(server))
