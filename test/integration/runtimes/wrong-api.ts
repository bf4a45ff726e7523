import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

const approved = JSON.stringify({ id: 'req_1', status: 'APPROVED' })

/** The behaviour of each API for its nth request, counted from 1. */
const wrong: Readonly<Record<string, (response: ServerResponse, nth: number) => unknown>> = {
  redirects: (response) => response.writeHead(302, { location: '/elsewhere/api/approvals/req_1' }).end(),
  elsewhere: (response) => response.end(approved),
  encodes: (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(approved)),
  floods: (response) => {
    const flood = setInterval(() => response.write(' '.repeat(65_536)), 1)
    response.on('close', () => clearInterval(flood))
  },
  'breaks-off': (response) => {
    response.writeHead(200, { 'content-length': approved.length + 1 })
    response.write(approved, () => response.destroy())
  },
  'is-silent': () => {},
  'answers-once': (response, nth) => (nth % 2 === 1 ? response.end(approved) : response.destroy()),
}

/** Faulty APIs, each below a path of its name; `/count/NAME` returns the number of requests to one. */
export async function startWrongApi(): Promise<{ readonly url: string; close(): void }> {
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    const [, name = '', counted = ''] = request.url?.split('/') ?? []
    if (name === 'count') return response.end(String(counts.get(counted) ?? 0))
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    return wrong[name]?.(response, nth)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
