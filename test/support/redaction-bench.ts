import type { ReadableSpan } from '@opentelemetry/sdk-trace-node'
import { type CheqpointEvent, isCheqpointError, type ReceiverOptions, type TypedReceiver } from '../../src/index.js'
import { type AnswersBench, answersBench, id } from './answers-bench.js'
import { callbackRequest } from './callback.js'
import { canaries, everything, type Secret, type searchFor, shown, tokensIn } from './canaries.js'
import type { Backing } from './redaction-backing.js'
import { mayAppear, type Place } from './redaction-places.js'
import { SubmitApi } from './submit-bench.js'
import { telemetryBench } from './telemetry-bench.js'

/** A text and the place where it can be read. */
export interface Evidence {
  readonly place: Place
  /** A description, to find the leak. */
  readonly what: string
  readonly text: string
}

export interface RedactionBench extends AnswersBench {
  readonly api: SubmitApi
  /** Everything that this receiver has exposed so far. */
  readonly evidence: () => Promise<readonly Evidence[]>
  /** Tokens that were created, sent or presented so far. */
  readonly tokens: () => readonly Secret[]
}

/** Ids that the tests use. */
const ids = Array.from({ length: 10 }, (_, at) => `req_${at}`)

/**
 * A receiver full of canaries. Records all responses, events, errors, results and requests. Its callbacks have claims
 * and headers that must not leak.
 */
export function redactionBench(backing: Backing, options: Partial<ReceiverOptions> = {}): RedactionBench {
  const events: CheqpointEvent[] = []
  const noted: Evidence[] = []
  const urls: string[] = []
  const reading: Promise<unknown>[] = []
  const api = new SubmitApi()
  const { telemetry, traces, figures } = telemetryBench()
  const onEvent = (event: CheqpointEvent) => events.push(event)
  const bench = answersBench({ telemetry, ...options, onEvent }, backing.store, api)

  const note = (place: Place, what: string, value: unknown): void => {
    noted.push({ place, what, text: everything(value) })
  }
  const noteResult = (name: string, value: unknown): void => {
    if (name === 'callbackUrl') urls.push(shown(value))
    else if (value instanceof Response) reading.push(noteResponse(value.clone()))
    else note(name === 'handle' ? 'answer' : 'returned', name, value)
  }
  const noteResponse = async (response: Response): Promise<void> => {
    const { status, statusText, headers } = response
    note('answer', 'fetch', [status, statusText, [...headers], await response.text()])
  }
  const noteError = (name: string, error: unknown): void => void noted.push(...errorEvidence(name, error))

  const receiver: TypedReceiver = new Proxy(bench.receiver, {
    get(target, property) {
      // Users of a receiver only access its methods.
      const name = property as keyof TypedReceiver
      const method = target[name] as (...args: unknown[]) => unknown
      return (...args: unknown[]): unknown => {
        try {
          const result = method(...args)
          if (!(result instanceof Promise)) noteResult(name, result)
          else void result.then((value) => noteResult(name, value)).catch((error: unknown) => noteError(name, error))
          return result
        } catch (error) {
          noteError(name, error)
          throw error
        }
      }
    },
  })

  return {
    ...bench,
    receiver,
    pass: backing.pass,
    send(parts = {}, approvalId = id) {
      if (parts.url !== undefined) urls.push(parts.url)
      return receiver.fetch(callbackRequest(approvalId, claiming(parts, approvalId)))
    },
    tokens: () => tokensIn([...urls, ...api.posts.map(({ text }) => text)].join('\n')),
    async evidence() {
      const kept = (await backing.dump(ids)).map(({ value, ...part }) => ({ ...part, text: everything(value) }))
      await Promise.all(reading)
      return [
        ...noted,
        ...events.flatMap((event) => {
          const { error, ...rest } = { error: undefined, ...event }
          return [
            { place: 'event', what: event.type, text: everything(rest) } as const,
            {
              place: 'event error',
              what: event.type,
              text: [JSON.stringify(event), everything(error)].join('\n'),
            } as const,
          ]
        }),
        ...api.requests.flatMap(requestEvidence),
        ...kept,
        ...traces.started.map((span) => ({ place: 'trace', what: span.name, text: everything(toldOf(span)) }) as const),
        { place: 'metric', what: 'all figures', text: everything(await figures()) },
        { place: 'object', what: 'receiver', text: everything(bench.receiver) },
        { place: 'object', what: 'store', text: everything(backing.store) },
      ]
    },
  }
}

/** The exported data of a span. */
function toldOf({ name, attributes, events, links, status, resource, instrumentationScope }: ReadableSpan): unknown {
  return [name, attributes, events, links, status, resource.attributes, instrumentationScope]
}

/** The parts of an error: ours, Cheqpoint's message, and what other code threw. */
export function errorEvidence(what: string, error: unknown): readonly Evidence[] {
  if (!isCheqpointError(error)) return [{ place: 'own error', what, text: everything(error) }]
  const { cause, apiMessage, ...rest } = Object.getOwnPropertyDescriptors(error)
  const parts: Evidence[] = [
    { place: 'error', what, text: everything(Object.create(Object.getPrototypeOf(error), rest)) },
    { place: 'api message', what, text: everything(apiMessage?.value) },
  ]
  return cause === undefined ? parts : [...parts, ...errorEvidence(what, cause.value)]
}

/** Describes each secret in a place where it must not be. */
export function misplaced(evidence: readonly Evidence[], search: ReturnType<typeof searchFor>): readonly string[] {
  return evidence.flatMap(({ place, what, text }) =>
    search(text)
      .filter((kind) => !mayAppear[kind].includes(place))
      .map((kind) => `${kind} in ${place}: ${what}`),
  )
}

/** Runs an operation. Returns the code of its error, `own error` for a foreign error, `null` for none. */
export async function codeOf(work: () => unknown): Promise<string | null> {
  try {
    await work()
    return null
  } catch (error) {
    return isCheqpointError(error) ? error.code : 'own error'
  }
}

function requestEvidence({ headers, body, ...rest }: SubmitApi['requests'][number]): readonly Evidence[] {
  // The client passes headers as alternating names and values.
  const list = headers as readonly string[]
  const pairs = list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1] ?? ''] as const] : []))
  const isKey = ([name]: readonly [string, string]): boolean => name === 'x-api-key'
  const what = `${rest.method} ${rest.path}`
  return [
    ...pairs.filter(isKey).map(([, value]) => ({ place: 'key header', what, text: value }) as const),
    { place: 'request', what, text: shown([rest, pairs.filter((pair) => !isKey(pair))]) },
    { place: 'submission', what, text: shown(body) },
  ]
}

type Parts = NonNullable<Parameters<typeof callbackRequest>[1]>

/** The same callback with headers and claims that must not leak. */
function claiming(parts: Parts, approvalId: string): Parts {
  const headers = { cookie: `session=${canaries.claim}`, 'x-forwarded-for': canaries.claim, ...parts.headers }
  const body = parts.body ?? { approvalId, status: 'approved', modifiedDetails: null, decisionNote: null }
  if (typeof body !== 'object' || body === null) return { ...parts, headers }
  const claims = { action: canaries.claim, details: { [canaries.claim]: canaries.claim }, statusUrl: canaries.claim }
  return { ...parts, headers, body: { ...claims, ...body } }
}
