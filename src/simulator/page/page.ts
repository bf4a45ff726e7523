import { CheqpointError } from '../../model/errors.js'
import type { JsonObject } from '../../util/json.js'
import { parseObject, type Rule } from '../api.js'
import type { SimulatedRequest } from '../requests.js'
import { type Answer, notFound } from '../server.js'
import type { Simulator } from '../simulator.js'
import { asset } from './assets.js'
import { createFeed, type Feed } from './feed.js'
import { guarded } from './guard.js'
import { readDecision, readText, setFaults } from './input.js'
import type { RuleName } from './view.js'

export interface PageDeps {
  readonly simulator: Simulator
  /** A key to show in commands. */
  readonly apiKey: string
  /** Returns the current rule. */
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

/** Serves the page at `/`, and its files and actions below `/ui/`. None is part of Cheqpoint's API. */
export interface PageServer {
  readonly answer: Answer
  readonly feed: Feed
}

export function createPage({ simulator, apiKey, rule, closing }: PageDeps): PageServer {
  const ruleName = (): RuleName => {
    const current = rule()
    if (current === null) return 'off'
    return current === rules.get('approve') ? 'approve' : current === rules.get('reject') ? 'reject' : 'code'
  }
  const feed = createFeed({ simulator, apiKey, rule: ruleName, closing })

  const actions: Readonly<Record<string, (body: JsonObject) => Response | undefined>> = {
    decide(body) {
      const id = readText(body, 'id')
      if (!simulator.list().some((each) => each.id === id)) {
        const waiting = simulator.list({ status: 'pending' }).map((each) => each.id)
        return Response.json({ id, error: 'no request has this id', waiting: waiting.slice(-20) }, { status: 404 })
      }
      const { status, callbackUrl, inline } = simulator.decide(id, readDecision(body))
      return Response.json({ id, status, callbackUrl, inline })
    },
    // Neither waits for its callback nor rejects: the log shows the result.
    redeliver(body): undefined {
      const { id, status } = called(body)
      if (status === 'pending') throw new CheqpointError('argument-invalid', 'the request is not decided')
      void simulator.redeliver(id)
    },
    forge(body): undefined {
      const { id, callbackUrl } = called(body)
      void simulator.sendCallback({ to: callbackUrl, approvalId: id, status: readText(body, 'status') })
    },
    faults(body): undefined {
      setFaults(simulator.faults, body)
    },
    rule(body): undefined {
      const next = rules.get(readText(body, 'rule'))
      if (next === undefined) throw new CheqpointError('argument-invalid', 'rule must be off, approve or reject')
      simulator.rule(next)
    },
  }

  async function act(name: string, text: string): Promise<Response> {
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) return notFound()
    const body = parseObject(text)
    if (body === null) return Response.json({ error: 'The body must be a JSON object' }, { status: 400 })
    try {
      return action(body) ?? new Response(null, { status: 204 })
    } catch (error) {
      if (error instanceof CheqpointError) return Response.json({ error: error.message }, { status: 409 })
      throw error
    }
  }

  const answer: Answer = async ({ request, path }) => {
    const name = path.replace(/^\/(ui\/)?/, '')
    if (request.method === 'POST') return act(name, await request.text())
    if (path === '/') return file('page.html')
    if (name === 'events') return new Response(feed.open(), { headers: { 'content-type': 'text/event-stream' } })
    if (!/^[a-z-]+\.(css|svg|js)$/.test(name)) return notFound()
    return file(name)
  }

  return { answer: guarded(answer), feed }

  /** Returns the named request. Throws if it has no callback URL. */
  function called(body: JsonObject): SimulatedRequest & { readonly callbackUrl: string } {
    const id = readText(body, 'id')
    const request = simulator.list().find((each) => each.id === id)
    if (request === undefined || request.callbackUrl === null) {
      throw new CheqpointError('argument-invalid', 'no request with a callback URL has this id')
    }
    return { ...request, callbackUrl: request.callbackUrl }
  }
}

function file(name: string): Response {
  const text = asset(name)
  const type = `${types[name.split('.').at(-1) ?? '']}; charset=utf-8`
  return text === undefined ? notFound() : new Response(text, { headers: { 'content-type': type } })
}
