import { readFile } from 'node:fs/promises'
import type { Hono } from 'hono'
import type { JsonObject } from '../../index.js'
import { CheqpointError } from '../../index.js'
import { parseObject, type Rule } from '../api.js'
import type { SimulatorEnv } from '../calls.js'
import type { SimulatedRequest } from '../requests.js'
import type { Simulator } from '../simulator.js'
import { createFeed, type Feed } from './feed.js'
import { guard } from './guard.js'
import { readDecision, readText, setFaults } from './input.js'
import type { RuleName } from './view.js'

export interface PageParts {
  readonly simulator: Simulator
  /** A key to show in commands. */
  readonly apiKey: string
  /** The rule of the moment. */
  readonly rule: () => Rule | null
  readonly closing: AbortSignal
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  css: 'text/css',
  svg: 'image/svg+xml',
  js: 'text/javascript',
}

const rules: ReadonlyMap<string, Rule | null> = new Map<string, Rule | null>([
  ['off', null],
  ['approve', () => ({ status: 'approved' })],
  ['reject', () => ({ status: 'rejected' })],
])

/**
 * Adds the page for people, at `/`, and what it needs below `/ui/`: none of it is part of Cheqpoint's API, and none
 * of it meets the API's faults.
 */
export function addPage(app: Hono<SimulatorEnv>, { simulator, apiKey, rule, closing }: PageParts): Feed {
  const ruleName = (): RuleName => {
    const current = rule()
    if (current === null) return 'off'
    return current === rules.get('approve') ? 'approve' : current === rules.get('reject') ? 'reject' : 'code'
  }
  const feed = createFeed({ simulator, apiKey, rule: ruleName, closing })

  app.use('/', guard)
  app.use('/ui/*', guard)
  app.get('/', async (c) => c.body(await readFile(asset('assets/page.html')), 200, contentType('page.html')))
  app.get('/ui/:file{[a-z-]+\\.(css|svg|js)}', async (c) => {
    const file = c.req.param('file')
    const folder = file.endsWith('.js') ? 'client' : 'assets'
    try {
      return c.body(await readFile(asset(`${folder}/${file}`)), 200, contentType(file))
    } catch {
      return c.notFound()
    }
  })
  app.get('/ui/events', (c) => c.body(feed.open(), 200, { 'content-type': 'text/event-stream' }))

  action('decide', (body) => simulator.decide(readText(body, 'id'), readDecision(body)))
  // Neither waits for its callback, and neither rejects: what comes of it is in the log.
  action('redeliver', (body) => {
    const { id, status } = called(body)
    if (status === 'pending') throw new CheqpointError('argument-invalid', 'the request is not decided')
    void simulator.redeliver(id)
  })
  action('forge', (body) => {
    const { id, callbackUrl } = called(body)
    void simulator.sendCallback({ to: callbackUrl, approvalId: id, status: readText(body, 'status') })
  })
  action('faults', (body) => setFaults(simulator.faults, body))
  action('rule', (body) => {
    const next = rules.get(readText(body, 'rule'))
    if (next === undefined) throw new CheqpointError('argument-invalid', 'rule must be off, approve or reject')
    simulator.rule(next)
  })
  return feed

  function action(name: string, act: (body: JsonObject) => unknown): void {
    app.post(`/ui/${name}`, async (c) => {
      const body = parseObject(await c.req.text())
      if (body === null) return c.json({ error: 'The body must be a JSON object' }, 400)
      try {
        act(body)
        return c.body(null, 204)
      } catch (error) {
        if (error instanceof CheqpointError) return c.json({ error: error.message }, 409)
        throw error
      }
    })
  }

  /** The named request, which must have a callback URL. */
  function called(body: JsonObject): SimulatedRequest & { readonly callbackUrl: string } {
    const id = readText(body, 'id')
    const request = simulator.list().find((each) => each.id === id)
    if (request === undefined || request.callbackUrl === null) {
      throw new CheqpointError('argument-invalid', 'no request with a callback URL has this id')
    }
    return { ...request, callbackUrl: request.callbackUrl }
  }
}

/** Files lie beside this module, in `src` as in `dist`; scripts are there once compiled. */
function asset(path: string): URL {
  return new URL(path, import.meta.url)
}

function contentType(file: string): { readonly 'content-type': string } {
  return { 'content-type': `${types[file.split('.').at(-1) ?? '']}; charset=utf-8` }
}
