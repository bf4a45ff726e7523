import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import type { RefusalReason } from '../../src/model/events.js'
import {
  type AdapterBench,
  adapterBench,
  agent,
  bodyFor,
  callback,
  comparable,
  type Expected,
  json,
  problem,
  taken,
} from '../support/adapters-bench.js'
import { hosts, type Mounted, type OpenHost } from '../support/hosts.js'
import type { Sent } from '../support/raw-http.js'

/*
 * One table for every host: a request, its exact response, and its effects. All hosts share the responses, so they
 * respond alike.
 */

interface Row {
  readonly name: string
  readonly send: Sent
  readonly answer: Expected
  /** `reason` of the event of a refusal. */
  readonly refused?: RefusalReason
  /** Calls that it causes; a refusal before the pipeline causes none, also of the store. */
  readonly gets: number
  readonly runs: number
  readonly storeAsked: boolean
  readonly options?: Partial<ReceiverOptions>
  readonly given?: (bench: AdapterBench) => unknown
}

const maxBodyBytes = 1_000

const handled = taken(200, 'handled')
const agentRefused = problem(403, 'agent-refused', 'Not a Cheqpoint callback')
const methodRefused = problem(405, 'method-not-allowed', 'Method not allowed', { allow: 'POST' })
const typeRefused = problem(415, 'media-type-refused', 'Not plain JSON')
const malformed = problem(400, 'malformed', 'Malformed callback')
const tooLarge = problem(413, 'body-too-large', 'The body is too large', { closes: true })
const tooSlow = problem(408, 'body-too-slow', 'The body came too slowly', { closes: true })
const unknown = problem(404, 'unknown-approval', 'Unknown approval')

/** A genuine callback. */
function genuine(name: string, parts: Partial<Sent> = {}): Row {
  return { name, send: callback(parts), answer: handled, gets: 1, runs: 1, storeAsked: true }
}

/** A callback that is refused without an API or store call. */
function refusal(name: string, answer: Expected, refused: RefusalReason, parts: Partial<Sent>): Row {
  return { name, send: callback(parts), answer, refused, gets: 0, runs: 0, storeAsked: false }
}

/** A callback that reaches the store. */
function asked(name: string, answer: Expected, rest: Partial<Row>): Row {
  return { name, send: callback(), answer, gets: 1, runs: 0, storeAsked: true, ...rest }
}

const withAgents = (...values: readonly string[]): Partial<Sent> => ({
  headers: [...values.map((value) => ['User-Agent', value] as const), json],
})
const withTypes = (...values: readonly string[]): Partial<Sent> => ({
  headers: [agent, ...values.map((value) => ['Content-Type', value] as const)],
})
const withCodings = (...values: readonly string[]): Partial<Sent> => ({
  headers: [agent, json, ...values.map((value) => ['Content-Encoding', value] as const)],
})
const padded = (size: number): Partial<Sent> => ({ body: bodyFor('req_1').padEnd(size) })
const nested = (levels: number): Partial<Sent> => ({
  body: `{"approvalId":"req_1","more":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`,
})

const taking: readonly Row[] = [
  genuine('a genuine callback'),
  genuine('no content type', { headers: [agent] }),
  genuine('a charset of utf-8', withTypes('application/json; charset=utf-8')),
  genuine('a charset in quotes and capitals', withTypes('Application/JSON;charset="UTF8"')),
  genuine('a +json type', withTypes('application/vnd.cheqpoint+json')),
  genuine('the identity coding', withCodings('identity')),
  genuine('the identity coding twice', withCodings('identity', 'Identity')),
  genuine('an agent header with blanks around it', withAgents('  Cheqpoint-Callback/1.0 \t')),
  genuine('headers in odd case', {
    headers: [
      ['uSER-aGENT', 'Cheqpoint-Callback/1.0'],
      ['CONTENT-TYPE', 'application/json'],
    ],
  }),
  genuine('a method override, which is ignored', {
    headers: [agent, json, ['X-HTTP-Method-Override', 'DELETE']],
  }),
  genuine('chunks', { framing: 'chunked' }),
  genuine('the field name id', { body: '{"id":"req_1"}' }),
  genuine('unknown fields', { body: '{"approvalId":"req_1","constructor":{"x":1},"__proto__":{"id":"x"}}' }),
  genuine('a duplicate key, the last one correct', { body: '{"approvalId":"req_2","approvalId":"req_1"}' }),
  genuine('exactly the maximum number of bytes', padded(maxBodyBytes)),
  genuine('exactly the maximum number of bytes, in chunks', { ...padded(maxBodyBytes), framing: 'chunked' }),
  genuine('nesting of 400 levels, since only the id is used', nested(400)),
  { ...genuine('a body of many packets', padded(262_144)), options: { callbacks: {} } },
  {
    ...genuine('a body of many packets, in chunks', { ...padded(262_144), framing: 'chunked' }),
    options: { callbacks: {} },
  },
]

const methods: readonly Row[] = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => {
  const answer = method === 'HEAD' ? { ...methodRefused, body: '' } : methodRefused
  return refusal(`the method ${method}`, answer, 'method-not-allowed', { method, body: '' })
})

const refusals: readonly Row[] = [
  refusal('no agent header', agentRefused, 'agent-refused', withAgents()),
  refusal('an empty agent header', agentRefused, 'agent-refused', withAgents('')),
  refusal('another agent', agentRefused, 'agent-refused', withAgents('curl/8.5.0')),
  refusal('the agent in odd case', agentRefused, 'agent-refused', withAgents('cheqpoint-callback/1.0')),
  refusal('the agent in another version', agentRefused, 'agent-refused', withAgents('Cheqpoint-Callback/1.1')),
  refusal('the agent with more after it', agentRefused, 'agent-refused', withAgents('Cheqpoint-Callback/1.0 (x)')),
  refusal('two agent headers, the first correct', agentRefused, 'agent-refused', withAgents(agent[1], 'curl/8.5.0')),
  refusal('the same agent header twice', agentRefused, 'agent-refused', withAgents(agent[1], agent[1])),
  refusal('an agent header of 12 kB', agentRefused, 'agent-refused', withAgents('1'.repeat(12_000))),
  ...[
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/json; charset=iso-8859-1',
    'application/json, application/json',
    'application/xml, application/x+json',
    'json',
    '',
  ].map((type) => refusal(`the type '${type}'`, typeRefused, 'media-type-refused', withTypes(type))),
  refusal('two types', typeRefused, 'media-type-refused', withTypes('application/json', 'text/plain')),
  refusal('the same type twice', typeRefused, 'media-type-refused', withTypes('application/json', 'application/json')),
  ...['gzip', 'br', 'deflate', 'identity, gzip', ''].map((coding) =>
    refusal(`the coding '${coding}'`, typeRefused, 'media-type-refused', withCodings(coding)),
  ),
  refusal('two codings', typeRefused, 'media-type-refused', withCodings('identity', 'gzip')),
  refusal('a wrong type from a wrong agent', agentRefused, 'agent-refused', {
    headers: [
      ['User-Agent', 'curl/8.5.0'],
      ['Content-Type', 'text/plain'],
    ],
  }),
  ...(
    [
      ['a wrong type', typeRefused, 'media-type-refused', withTypes('text/plain')],
      ['a coding', typeRefused, 'media-type-refused', withCodings('gzip')],
      ['no agent', agentRefused, 'agent-refused', withAgents()],
      ['another method', methodRefused, 'method-not-allowed', { method: 'PUT' }],
    ] as const
  ).map(([name, answer, reason, parts]) =>
    refusal(`${name} and a declared length that is not waited for`, { ...answer, closes: true }, reason, {
      ...parts,
      framing: { declared: 1_000_000_000_000 },
    }),
  ),
  refusal('a body that is one byte too long', tooLarge, 'body-too-large', padded(maxBodyBytes + 1)),
  refusal('a body that is one byte too long, in chunks', tooLarge, 'body-too-large', {
    ...padded(maxBodyBytes + 1),
    framing: 'chunked',
  }),
  refusal('a declared length that is one byte too long, without a body', tooLarge, 'body-too-large', {
    framing: { declared: maxBodyBytes + 1 },
  }),
  ...(
    [
      ['an empty body', ''],
      ['an empty body, in chunks', '', 'chunked'],
      ['blanks', '  \n'],
      ['incomplete JSON', '{"approvalId":"req_1"'],
      ['two JSON texts', '{"approvalId":"req_1"}{"approvalId":"req_1"}'],
      ['an array', '[{"approvalId":"req_1"}]'],
      ['a string', '"req_1"'],
      ['a number', '1'],
      ['null', 'null'],
      ['an object without an id', '{}'],
      ['an id that is a number', '{"approvalId":1}'],
      ['an id that is null', '{"approvalId":null}'],
      ['an id that is an array', '{"approvalId":["req_1"]}'],
      ['an empty id', '{"approvalId":""}'],
      ['an id with a path in it', '{"approvalId":"../req_1"}'],
      ['an id with a line break after it', '{"approvalId":"req_1\\n"}'],
      ['an id of 129 characters', `{"approvalId":"${'r'.repeat(129)}"}`],
      ['two ids that disagree', '{"approvalId":"req_1","id":"req_2"}'],
      ['a status that is not text', '{"approvalId":"req_1","status":1}'],
      ['a byte order mark', Buffer.from(`\uFEFF${bodyFor('req_1')}`)],
      ['UTF-16', Buffer.from(bodyFor('req_1'), 'utf16le')],
      ['invalid UTF-8', Buffer.from([...Buffer.from('{"approvalId":"req_1","x":"'), 0xff, 0x22, 0x7d])],
    ] as const
  ).map(([name, body, framing]) => refusal(name, malformed, 'malformed', { body, framing })),
  {
    ...refusal('a body that stops coming', tooSlow, 'body-too-slow', { framing: 'unfinished' }),
    options: { callbacks: { bodyTimeoutMs: 40 } },
  },
  {
    ...refusal(
      'a receiver that is closing',
      problem(503, 'closing', 'Try again later', { 'retry-after': '1' }),
      'closing',
      {},
    ),
    given: ({ receiver }) => receiver.close(),
  },
]

const answers: readonly Row[] = [
  asked('an unknown id', unknown, {
    send: callback({ body: bodyFor('req_2') }),
    refused: 'unknown-approval',
    gets: 0,
  }),
  asked('a duplicate key, the last one unknown', unknown, {
    send: callback({ body: '{"approvalId":"req_1","approvalId":"req_2"}' }),
    refused: 'unknown-approval',
    gets: 0,
  }),
  asked('an id of 128 characters', unknown, {
    send: callback({ body: bodyFor('r'.repeat(128)) }),
    refused: 'unknown-approval',
    gets: 0,
  }),
  asked('a request that was rejected', handled, { given: ({ api }) => api.reject('req_1'), runs: 1 }),
  asked('a request that is not decided yet', problem(409, 'undecided', 'Not decided yet', { 'retry-after': '2' }), {
    given: ({ api }) => api.pend('req_1'),
  }),
  asked('a request that is not decided yet, with a sweep', taken(202, 'undecided'), {
    given: ({ api }) => api.pend('req_1'),
    options: { sweep: 'elsewhere' },
  }),
  asked(
    'an API that fails',
    problem(502, 'api-failed', 'The decision could not be confirmed', { 'retry-after': '10' }),
    {
      given: ({ api }) => api.answer('req_1', { status: 500 }),
    },
  ),
  asked(
    'an API that throttles',
    problem(503, 'api-throttled', 'The decision could not be confirmed yet', { 'retry-after': '7' }),
    { given: ({ api }) => api.answer('req_1', { status: 429, headers: { 'retry-after': '7' } }) },
  ),
  asked('a handler that throws', problem(500, 'handler-failed', 'The handler failed', { 'retry-after': '1' }), {
    options: {
      onDecision: () => {
        throw new Error('no refund today')
      },
      random: () => 0,
    },
    runs: 1,
  }),
  asked('a store that is down', problem(503, 'store-unavailable', 'Try again later', { 'retry-after': '5' }), {
    given: ({ breakStore }) => breakStore(),
    gets: 0,
  }),
]

const rows = [...taking, ...methods, ...refusals, ...answers]
const rowsOf = ({ takes }: (typeof hosts)[number]): readonly Row[] =>
  takes === 'every method' ? rows : rows.filter(({ send }) => send.method === 'POST')

describe.each(hosts.map((host) => [host.name, host] as const))('%s', (_, host) => {
  let current: AdapterBench
  let open: OpenHost
  beforeAll(async () => {
    // Each row has its own receiver behind the host.
    const mounted: Mounted = {
      handle: (...args) => current.receiver.handle(...args),
      fetch: (...args) => current.receiver.fetch(...args),
    }
    open = await host.open(mounted)
  })
  afterEach(() => current.receiver.close())
  afterAll(() => open.close())

  it.each(rowsOf(host).map((row) => [row.name, row] as const))(
    'gives the response of the table to %s',
    async (_, row) => {
      const { send, answer, refused } = row
      current = await adapterBench({ callbacks: { maxBodyBytes }, ...row.options })
      await row.given?.(current)
      expect(comparable(await open.send(send))).toEqual(answer)
      expect({ gets: current.api.gets.length, runs: current.runs.length }).toEqual({ gets: row.gets, runs: row.runs })
      expect(current.storeCalls.length > 0).toBe(row.storeAsked)
      const reasons = current.events.flatMap((event) => (event.type === 'refused' ? [event.reason] : []))
      expect(reasons).toEqual(refused === undefined ? [] : [refused])
      expect((await current.receiver.stats()).inFlight).toBe(0)
    },
  )

  it('gives a repeated callback the same bytes, without an API call or a run', async () => {
    current = await adapterBench()
    const first = comparable(await open.send(callback()))
    const second = comparable(await open.send(callback()))
    expect([first, second]).toEqual([handled, handled])
    expect({ gets: current.api.gets.length, runs: current.runs.length }).toEqual({ gets: 1, runs: 1 })
  })

  it('responds with 503 at once while maxInFlight callbacks are in progress', async () => {
    current = await adapterBench({ callbacks: { maxInFlight: 1 } })
    const asked = current.hang()
    const first = open.send(callback())
    await asked
    const second = comparable(await open.send(callback({ headers: [] })))
    expect(second).toEqual(problem(503, 'overloaded', 'Try again later', { 'retry-after': '1' }))
    current.letGo()
    expect(comparable(await first)).toEqual(handled)
    expect(comparable(await open.send(callback()))).toEqual(handled)
    expect(current.runs).toHaveLength(1)
  })
})

afterAll(() => {
  const cases = hosts.reduce((sum, host) => sum + rowsOf(host).length, 0)
  const sizes = hosts.map((host) => `${host.name} ${rowsOf(host).length}`)
  console.log(`conformance table: ${rows.length} rows × ${hosts.length} hosts, ${cases} cases: ${sizes.join('; ')}`)
})
