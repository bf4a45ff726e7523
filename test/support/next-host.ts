/*
 * Stands for Next.js: hands Web-standard requests to the route of examples/next.ts, and calls what a server action
 * would. Ends when it is killed.
 */
import { serve } from '@hono/node-server'
import { POST, requestRefund } from '../../examples/next.js'

const { PORT, ORDER = '8842' } = process.env
const server = serve({
  hostname: '127.0.0.1',
  port: Number(PORT),
  async fetch(request) {
    if (new URL(request.url).pathname === '/webhooks/cheqpoint') return POST(request)
    return new Response(await requestRefund(ORDER, 120))
  },
})
server.once('listening', () => console.log('listening'))
