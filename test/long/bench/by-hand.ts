import express from 'express'
import type { Handler } from 'hono'
import { Pool } from 'undici'

/*
 * What users would write without a library. `recipe` is the vendor's advice in a few lines: agent, known id, GET. With
 * `fetch` it is the recipe as people write it; with a shared undici pool it is the limit, a bare handler that does
 * nothing else.
 */

export const agent = 'Cheqpoint-Callback/1.0'
export const key = 'cq_live_bench'

/** Asks the API for the status of an approval. */
export type Ask = (id: string) => Promise<{ readonly status: string }>

export function withFetch(upstream: string): Ask {
  return async (id) => {
    const response = await fetch(`${upstream}/api/approvals/${id}`, { headers: { 'x-api-key': key } })
    return (await response.json()) as { status: string }
  }
}

export function withPool(upstream: string): Ask {
  const pool = new Pool(upstream)
  return async (id) => {
    const { body } = await pool.request({ path: `/api/approvals/${id}`, method: 'GET', headers: { 'x-api-key': key } })
    return (await body.json()) as { status: string }
  }
}

interface Reply {
  readonly status: 200 | 400 | 403 | 404
  readonly body: object
}

const badAgent: Reply = { status: 403, body: { error: 'agent' } }
const malformed: Reply = { status: 400, body: { error: 'malformed' } }

/** The recipe behind the agent check. `steps` are further round trips, as a store in another process makes them. */
export type Recipe = (approvalId: string) => Promise<Reply>

export function recipe(ask: Ask, count: number, steps?: (id: string) => Promise<void>): Recipe {
  const submitted = new Set(Array.from({ length: count }, (_, at) => `c_${at}`))
  const handled = new Set<string>()
  return async (approvalId) => {
    if (handled.has(approvalId)) return { status: 200, body: { result: 'handled' } }
    if (!submitted.has(approvalId)) return { status: 404, body: { error: 'unknown' } }
    const { status } = await ask(approvalId)
    await steps?.(approvalId)
    if (status === 'APPROVED') handled.add(approvalId)
    return { status: 200, body: { result: 'handled' } }
  }
}

export function handOnHono(decide: Recipe): Handler {
  return async (c) => {
    const { status, body } = await answer()
    return c.json(body, status)

    async function answer(): Promise<Reply> {
      if (c.req.header('user-agent') !== agent) return badAgent
      try {
        return await decide((await c.req.json<{ approvalId: string }>()).approvalId)
      } catch (error) {
        if (error instanceof SyntaxError) return malformed
        throw error
      }
    }
  }
}

/** With the parser that its users put before it, and that answers malformed bodies itself. */
export function handOnExpress(decide: Recipe): express.RequestHandler[] {
  return [
    express.json(),
    async (request, response) => {
      const agentIsRight = request.headers['user-agent'] === agent
      const { status, body } = agentIsRight
        ? await decide((request.body as { approvalId: string }).approvalId)
        : badAgent
      response.status(status).json(body)
    },
  ]
}

export function handOnFetch(decide: Recipe): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.headers.get('user-agent') !== agent) return Response.json(badAgent.body, { status: badAgent.status })
    const { status, body } = await decide(((await request.json()) as { approvalId: string }).approvalId)
    return Response.json(body, { status })
  }
}
