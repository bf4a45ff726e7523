import { memoryStore, type ReceiverOptions, type Store } from '../../src/index.js'
import { path } from './hosts.js'
import type { Received, Sent } from './raw-http.js'
import { type Bench, bench, refund } from './receiver.js'

export interface AdapterBench extends Bench {
  /** Names of the store methods called since the request was tracked, in order. */
  readonly storeCalls: string[]
  /** Resolves after this number of events of this type. */
  readonly seen: (type: string, count?: number) => Promise<void>
  /** The store can be read no more. */
  readonly breakStore: () => void
  /** Makes the API hang over `req_1`; resolves when it is asked. */
  readonly hang: () => Promise<void>
  /** Releases the hanging API response: approved. */
  readonly letGo: () => void
}

/** Creates a receiver that tracks `req_1`, with an API that approved it and a store that records its calls. */
export async function adapterBench(options: Partial<ReceiverOptions> = {}): Promise<AdapterBench> {
  const storeCalls: string[] = []
  const waiting = new Set<() => void>()
  let isBroken = false
  const made = bench({
    ...options,
    store: counted(options.store ?? memoryStore(), (method) => {
      storeCalls.push(method)
      if (isBroken && method === 'read') throw new Error('connection refused')
    }),
    onEvent(event) {
      made.events.push(event)
      for (const look of waiting) look()
    },
  })
  const seen = (type: string, count = 1): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (made.eventTypes().filter((each) => each === type).length < count) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  const hang = (): Promise<void> =>
    new Promise((resolve) => {
      made.api.answer('req_1', () => {
        resolve()
        return 'hang'
      })
    })
  const letGo = (): void => {
    made.api.approve('req_1')
    made.api.resume()
  }
  made.api.approve('req_1')
  await made.receiver.track('req_1', refund)
  storeCalls.length = 0
  const breakStore = (): void => {
    isBroken = true
  }
  return { ...made, storeCalls, breakStore, seen, hang, letGo }
}

function counted(store: Store, onCall: (method: string) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        onCall(String(name))
        return value.apply(target, args)
      }
    },
  })
}

export const agent: Sent['headers'][number] = ['User-Agent', 'Cheqpoint-Callback/1.0']
export const json: Sent['headers'][number] = ['Content-Type', 'application/json']

/** The body that Cheqpoint sends, as its HTTP page shows it. */
export function bodyFor(approvalId: string): string {
  return JSON.stringify({ approvalId, status: 'approved', modifiedDetails: null, decisionNote: 'Approved.' })
}

/** A genuine callback for `req_1`; `parts` override it. */
export function callback(parts: Partial<Sent> = {}): Sent {
  return { method: 'POST', path, headers: [agent, json], body: bodyFor('req_1'), ...parts }
}

/** An exact response: status, body, and every header that the host does not add itself. */
export interface Expected {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** Whether the connection must not be used again. */
  readonly closes: boolean
}

const everyAnswer = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export function taken(status: 200 | 202, result: string): Expected {
  const headers = { ...everyAnswer, 'content-type': 'application/json' }
  return { status, body: `{"result":"${result}"}`, headers, closes: false }
}

export function problem(
  status: number,
  code: string,
  title: string,
  { closes = false, ...headers }: { readonly closes?: boolean; readonly [name: string]: string | boolean } = {},
): Expected {
  const own = Object.entries(headers).map(([name, value]) => [name, String(value)])
  return {
    status,
    body: `{"type":"about:blank","title":"${title}","status":${status},"code":"${code}"}`,
    headers: { ...everyAnswer, ...Object.fromEntries(own), 'content-type': 'application/problem+json' },
    closes,
  }
}

/** Headers that the servers add by themselves. */
const ofTheHost: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive', 'x-powered-by'])

/** The parts of a response that must be the same on every host, as {@link Expected}. Omits a correct length. */
export function comparable({ status, headers, body }: Received): Expected {
  const length = headers['content-length'] === String(Buffer.byteLength(body)) ? 'content-length' : ''
  const ours = Object.entries(headers).filter(([name]) => !ofTheHost.has(name) && name !== length)
  return { status, body, headers: Object.fromEntries(ours), closes: headers['connection'] === 'close' }
}
