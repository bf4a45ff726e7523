import type { MiddlewareHandler } from 'hono'
import type { SimulatorEnv } from './calls.js'

/** A `Host` that only this machine can mean. */
export const loopbackHost: RegExp = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/** Refuses API calls of web sites that a browser has open: those name their `Origin`, and agents name none. */
export const refuseWebSites: MiddlewareHandler<SimulatorEnv> = async (c, next) => {
  const origin = c.req.header('origin')
  const host = origin === undefined ? null : /^https?:\/\/(.*)$/.exec(origin)?.[1]
  if (host === null || (host !== undefined && loopbackHost.test(host))) {
    await next()
    return
  }
  c.res = Response.json({ error: 'The simulator answers to pages of this machine only' }, { status: 403 })
}
