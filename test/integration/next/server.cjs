/*
 * Stands for the server of Next.js, whose build takes minutes: gives the compiled routes real NextRequests over HTTP.
 * Outside of a request scope of Next.js `after` throws, and the receiver waits for its handler instead.
 */
const { createServer } = require('node:http')
const { NextRequest } = require('next/server')
const { register } = require('./.tmp/instrumentation.js')

const routes = {
  '/webhooks/cheqpoint': require('./.tmp/app/webhooks/cheqpoint/route.js'),
  '/refunds': require('./.tmp/app/refunds/route.js'),
}

const server = createServer(async (incoming, outgoing) => {
  const url = new URL(incoming.url, process.env.PUBLIC_URL)
  const { method, headers } = incoming
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const request = new NextRequest(url, { method, headers, duplex: 'half', ...(hasBody && { body: incoming }) })
  const response = (await routes[url.pathname]?.[method]?.(request)) ?? new Response(null, { status: 405 })
  outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text())
})
void register().then(() => server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening')))
process.once('SIGTERM', async () => {
  server.close()
  await require('./.tmp/receiver.js').receiver.close()
})
