import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { between, type Chance, chanceOf } from '../../support/chance.js'
import { Callbacks } from '../../support/deliveries.js'
import { Log } from '../../support/log.js'
import { amountOf, type Truth, truthOf } from '../../support/truth.js'
import type { FromUpstream, Knobs, ToUpstream, UpstreamPlan } from './messages.js'

/*
 * A process in the role of Cheqpoint: it owns the decisions, responds, and sends callbacks, with configured faults.
 * Shares no code with the library.
 */

interface Request {
  readonly id: string
  readonly truth: Truth
  /** Path and query of the callback URL, or `null`. */
  readonly path: string | null
  decidedAt: number | null
}

/** Longer than any client waits. */
const hangMs = 30_000

class Upstream {
  readonly #log: Log
  readonly #seed: number
  readonly #chance: Chance
  readonly #callbacks: Callbacks
  /** Separate connections for attackers. */
  readonly #spoofs: Callbacks
  readonly #requests = new Map<string, Request>()
  readonly #held = new Set<Request>()
  #knobs: Knobs

  constructor({ log, seed, knobs, connections }: UpstreamPlan) {
    this.#log = new Log(log)
    this.#seed = seed
    this.#knobs = knobs
    this.#chance = chanceOf(seed)
    this.#callbacks = new Callbacks(this.#log, connections, chanceOf(seed + 1))
    this.#spoofs = new Callbacks(this.#log, connections, chanceOf(seed + 2))
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request
    if (method === 'POST') return this.#submit(JSON.parse(await text(request)), response)
    return this.#show(url.slice(url.lastIndexOf('/') + 1), response)
  }

  tell(message: ToUpstream): void {
    if (message.kind === 'ports') {
      this.#callbacks.ports = message.ports
      this.#spoofs.ports = message.ports
    } else if (message.kind === 'knobs') this.#knobs = message.knobs
    else if (message.kind === 'idle')
      void this.#idle() // it cannot reject
    else if (message.kind === 'spoof') this.#spoof(message)
    else {
      const ids = message.ids === undefined ? null : new Set(message.ids)
      for (const held of [...this.#held]) if (ids === null || ids.has(held.id)) this.#decide(held)
    }
  }

  async #idle(): Promise<void> {
    await Promise.all([this.#callbacks.idle(), this.#spoofs.idle()])
    say({ kind: 'idle' })
  }

  #submit(
    body: { readonly details: { readonly n: number }; readonly callbackUrl?: string },
    out: ServerResponse,
  ): void {
    const { n } = body.details
    const { inline, decideMs, callbacks, postsFailed } = this.#knobs
    const url = body.callbackUrl === undefined ? null : new URL(body.callbackUrl)
    const path = url === null ? null : url.pathname + url.search
    // A repeated request is another approval, as at Cheqpoint.
    const id = this.#requests.has(`req_${n}`) ? `req_${n}_again_${this.#requests.size}` : `req_${n}`
    const request: Request = { id, truth: truthOf(this.#seed, n), path, decidedAt: null }
    this.#requests.set(id, request)
    this.#log.write('created', id, url?.searchParams.get('cq')?.split('.')[0] ?? '-')
    const word = request.truth.status.toLowerCase()
    if (this.#chance() < postsFailed) {
      this.#log.write('fault', 'post-500')
      this.#later(request, decideMs)
      send(out, 500, {})
    } else if (this.#chance() < inline) {
      this.#markDecided(request)
      send(out, 200, { status: word, approvalId: id, modifiedDetails: request.truth.modifiedDetails })
    } else if (this.#chance() < callbacks.early) {
      this.#log.write('fault', 'callback-early')
      this.#decide(request, 'early')
      setTimeout(() => send(out, 200, { status: 'pending', approvalId: id }), 30)
    } else {
      this.#later(request, decideMs)
      send(out, 200, { status: 'pending', approvalId: id, reviewUrl: 'https://app.cheqpoint.co/inbox' })
    }
  }

  #later(request: Request, decideMs: Knobs['decideMs']): void {
    if (decideMs === null) this.#held.add(request)
    else setTimeout(() => this.#decide(request), between(decideMs, this.#chance))
  }

  #markDecided(request: Request): void {
    this.#held.delete(request)
    const { status, amount } = request.truth.effect
    request.decidedAt = Date.now()
    this.#log.write('decided', request.id, status, amount)
  }

  #decide(request: Request, sort: 'genuine' | 'early' = 'genuine'): void {
    this.#markDecided(request)
    const { lost, copies, spreadMs } = this.#knobs.callbacks
    if (request.path === null) return
    if (this.#chance() < lost) {
      this.#log.write('fault', 'callback-lost')
      return
    }
    const { id, truth, path } = request
    const status = truth.status.toLowerCase()
    const body = JSON.stringify({ approvalId: id, status, modifiedDetails: truth.modifiedDetails, decisionNote: null })
    const count = Math.round(between([copies[0], copies[1]], this.#chance))
    for (let copy = 0; copy < count; copy++) {
      if (copy > 0) this.#log.write('fault', 'callback-copied')
      const delivery = { id, path, body, sort: copy === 0 ? sort : 'copy' } as const
      this.#callbacks.send(delivery, this.#chance() * spreadMs)
    }
  }

  #show(id: string, out: ServerResponse): void {
    this.#log.write('get', id)
    const { failed, throttled, hung } = this.#knobs.gets
    const luck = this.#chance()
    if (luck < failed) {
      this.#log.write('fault', 'get-500')
      send(out, 500, {})
    } else if (luck < failed + throttled) {
      this.#log.write('fault', 'get-429')
      send(out.setHeader('retry-after', '1'), 429, {})
    } else if (luck < failed + throttled + hung) {
      this.#log.write('fault', 'get-hung')
      setTimeout(() => out.destroy(), hangMs).unref()
    } else this.#showTruth(this.#requests.get(id) ?? this.#tracked(id), out)
  }

  #showTruth(request: Request | null, out: ServerResponse): void {
    const decidedAt = request?.decidedAt ?? null
    const isStale = decidedAt !== null && Date.now() < decidedAt + this.#knobs.lagMs
    if (isStale) this.#log.write('fault', 'get-stale')
    const nothing = { modifiedDetails: null, decisionNote: null, decidedAt: null }
    if (request === null) send(out, 404, {})
    else if (decidedAt === null || isStale) send(out, 200, { id: request.id, status: 'PENDING', ...nothing })
    else {
      const { status, modifiedDetails } = request.truth
      const decided = { id: request.id, status, modifiedDetails, decidedAt: new Date(decidedAt).toISOString() }
      send(out, 200, { ...nothing, ...decided })
    }
  }

  /** A request that was not submitted here, `<word>_<n>`: it is decided at its first GET. */
  #tracked(id: string): Request | null {
    const n = Number(/^[a-z]+_(\d+)$/.exec(id)?.[1] ?? Number.NaN)
    if (Number.isNaN(n)) return null
    const request: Request = { id, truth: truthOf(this.#seed, n), path: null, decidedAt: null }
    this.#requests.set(id, request)
    this.#markDecided(request)
    return request
  }

  #spoof({ ids, count, guesses }: Extract<ToUpstream, { kind: 'spoof' }>): void {
    for (let at = 0; at < count; at++) {
      const request = this.#requests.get(ids[at % ids.length] ?? '')
      if (request === undefined || request.path === null) continue
      const { id } = request
      const path = guesses ? request.path.replace(/\?.*/, '') : request.path
      const modifiedDetails = { n: 0, amount: amountOf(9_999_999) }
      const body = JSON.stringify({ approvalId: id, status: 'approved', modifiedDetails, decisionNote: 'Pay me.' })
      this.#log.write('fault', 'spoof')
      this.#spoofs.send({ id, sort: 'spoof', path, body })
    }
  }
}

function send(out: ServerResponse, status: number, body: object): void {
  if (out.destroyed) return
  out.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function say(message: FromUpstream): void {
  process.send?.(message)
}

// Only the driver starts this process and talks to it.
const upstream = new Upstream(JSON.parse(process.argv[2] ?? '') as UpstreamPlan)
process.on('message', (message) => upstream.tell(message as ToUpstream))
process.on('disconnect', () => process.exit())
const server = createServer(
  (request, response) => void upstream.answer(request, response).catch(() => response.destroy()),
)
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address !== 'string') say({ kind: 'ready', port: address.port })
})
