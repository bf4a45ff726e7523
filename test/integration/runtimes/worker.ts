/*
 * The checks as a worker: `/check/NAME` runs one, and responds with its error as JSON. Other requests go to the handler
 * of the check.
 */
import { checksEverywhere, type Fetch, tried } from './checks.js'

let served: Fetch | undefined

const worker = {
  async fetch(request: Request, env: Readonly<Record<string, string>>): Promise<Response> {
    const { pathname, origin } = new URL(request.url)
    if (!pathname.startsWith('/check/')) return served?.(request) ?? new Response(null, { status: 404 })
    const checks = checksEverywhere({
      simulatorUrl: env['SIMULATOR_URL'],
      wrongUrl: env['WRONG_URL'],
      serveFetch: async (fetch) => {
        served = fetch
        return { origin, stop: async () => {} }
      },
    })
    const check = checks[decodeURIComponent(pathname.slice('/check/'.length))]
    return Response.json(check === undefined ? 'no such check' : await tried(check))
  },
}
// biome-ignore lint/style/noDefaultExport: this is what a worker exports
export default worker
