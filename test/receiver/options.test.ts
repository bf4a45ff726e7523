import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  CheqpointError,
  createClient,
  createReceiver,
  memoryStore,
  type ReceiverOptions,
  type VerifyOptions,
  verifyAndResolve,
} from '../../src/index.js'
import { readReceiverOptions } from '../../src/receiver/read-receiver-options.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'
import { bytesInUse } from '../support/heap.js'

const key = 'cq_live_CANARY'
const onDecision = (): void => {}
const usual = { apiKey: key, onDecision }

/** Code and text of the error that these options are answered with; `null` if they are taken. */
function refusal(options: unknown): readonly [string, string] | null {
  try {
    // Wrong on purpose: callers without TypeScript exist.
    createReceiver(options as ReceiverOptions)
    return null
  } catch (error) {
    if (error instanceof CheqpointError) return [error.code, error.message]
    throw error
  }
}

/** Options with one more, named by its path. */
function withOption(path: string, value: unknown): Readonly<Record<string, unknown>> {
  const nested = path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)
  return { ...usual, ...(nested as object) } // a path has one name at least
}

describe('createReceiver', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('takes a key and a handler, and has a default for the rest', () => {
    expect(refusal(usual)).toBeNull()
    expect(refusal({ apiKey: ['cq_live_new', 'cq_live_old'], onDecision })).toBeNull()
    expect(refusal({ apiKeys: { billing: key, support: ['a', 'b'] }, onDecision })).toBeNull()
    expect(refusal({ apiKey: key, actions: { refund: { onDecision } } })).toBeNull()
  })

  it('has the defaults that its page promises', () => {
    expect(readReceiverOptions(usual)).toMatchObject({
      guarantee: 'at-least-once',
      agents: new Set(['Cheqpoint-Callback/1.0']),
      sweep: 'here',
      urls: null,
      callbackTokens: 'off',
      maxDetailsBytes: 262_144,
      submitTimeoutMs: 15_000,
      expiresAfterMs: 604_800_000,
      retentionMs: 604_800_000,
      callbacks: {
        maxBodyBytes: 262_144,
        bodyTimeoutMs: 5_000,
        ackAfterMs: 8_000,
        maxInFlight: 1_000,
        maxUnreadBodies: 1_000,
      },
      confirm: { timeoutMs: 5_000, minIntervalMs: 2_000, requestsPerSecond: 50, maxResponseBytes: 1_048_576 },
      polling: { firstMs: 5_000, maxMs: 600_000, requestsPerSecond: 10, concurrency: 16 },
      runs: { leaseMs: 30_000, timeoutMs: 900_000, concurrency: 1_000, maxAttempts: 8, backoffMs: [1_000, 600_000] },
    })
  })

  it('polls later where a callback URL is given, and never less often than first', () => {
    expect(readReceiverOptions({ ...usual, callbackUrl: 'https://app.test/hook' }).polling.firstMs).toBe(15_000)
    expect(readReceiverOptions({ ...usual, polling: { firstMs: 700_000 } }).polling.maxMs).toBe(700_000)
  })

  it('does no I/O: no store call, no API call, no timer', () => {
    const calls: PropertyKey[] = []
    const inner = memoryStore()
    const store = new Proxy(inner, {
      get: (_target, name) => {
        const method: unknown = Reflect.get(inner, name)
        return typeof method === 'function' ? () => void calls.push(name) : method
      },
    })
    const api = new FakeApi()
    createReceiver({ ...usual, store, dispatcher: api })
    expect([calls, api.gets, vi.getTimerCount()]).toEqual([[], [], 0])
  })

  it('takes undefined for "not given", whatever the option', () => {
    const names = [
      ...['guarantee', 'idPattern', 'agents', 'callbacks', 'confirm', 'polling', 'runs', 'retentionMs', 'onEvent'],
      ...['clock', 'random', 'apiKeys', 'actions', 'baseUrl', 'dispatcher', 'sweep', 'store', 'expiresAfterMs'],
      ...['callbackUrl', 'callbackSecret', 'callbackTokens', 'submitTimeoutMs', 'log', 'maxDetailsBytes'],
    ]
    expect(refusal({ ...usual, ...Object.fromEntries(names.map((name) => [name, undefined])) })).toBeNull()
  })

  it('leaves the options as they were, and does not follow later changes', async () => {
    const agents = ['Cheqpoint-Callback/1.0']
    const options = Object.freeze({ ...usual, agents, callbacks: Object.freeze({ maxBodyBytes: 100 }) })
    const receiver = createReceiver({ ...options, dispatcher: new FakeApi() })
    agents[0] = 'other'
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(404)
  })
})

describe('an option that is not known is refused, and those that are known are named', () => {
  it.each([
    ['apikey', 'apiKey'],
    ['callbacks.maxBody', 'maxBodyBytes'],
    ['confirm.timeout', 'timeoutMs'],
    ['polling.firstms', 'firstMs'],
    ['runs.lease', 'leaseMs'],
    ['actions.refund.detail', 'details'],
  ])('%s', (path, known) => {
    const [code, message] = refusal(withOption(path, 1)) ?? []
    expect(code).toBe('option-unknown')
    expect(message).toContain(`option ${path} is not known`)
    expect(message).toContain(known)
  })
})

describe('an option that is required', () => {
  it.each([
    ['a key', { onDecision }, 'apiKey'],
    ['a key, and there is an empty record of them', { apiKeys: {}, onDecision }, 'apiKey'],
    ['a handler', { apiKey: key }, 'onDecision'],
    ['a handler, and there is an empty record of actions', { apiKey: key, actions: {} }, 'onDecision'],
    ['the handler of an action', { ...usual, actions: { refund: {} } }, 'actions.refund.onDecision'],
    [
      'the handler of an action, and there is no action',
      { ...usual, actions: { refund: undefined } },
      'actions.refund.onDecision',
    ],
  ])('is missed: %s', (_, options, name) => {
    const [code, message] = refusal(options) ?? []
    expect(code).toBe('option-missing')
    expect(message).toContain(name)
  })
})

/** Whole numbers: their path, their bounds, and what else must be given for the bounds to be reached. */
const day = 86_400_000
const longestTimer = 2_147_483_647
const numbers: readonly (readonly [path: string, least: number, most: number, beside: object])[] = [
  ['retentionMs', 900_000, 400 * day, {}],
  ['expiresAfterMs', 1_000, 400 * day, {}],
  ['submitTimeoutMs', 1, longestTimer, {}],
  ['callbacks.maxBodyBytes', 1, 67_108_864, {}],
  ['callbacks.bodyTimeoutMs', 1, longestTimer, {}],
  ['callbacks.ackAfterMs', 1, longestTimer, {}],
  ['maxDetailsBytes', 1, 16_777_216, {}],
  ['callbacks.maxInFlight', 1, 1_000_000, {}],
  ['callbacks.maxUnreadBodies', 1, 1_000_000, {}],
  ['confirm.timeoutMs', 1, 10_000, { runs: { leaseMs: 30_000 } }],
  ['confirm.timeoutMs', 1, day / 3, {}],
  ['confirm.minIntervalMs', 0, 600_000, {}],
  ['confirm.maxResponseBytes', 1, 67_108_864, {}],
  ['polling.firstMs', 1, day, {}],
  ['polling.maxMs', 1, day, {}],
  ['polling.concurrency', 1, 1_000, {}],
  ['runs.leaseMs', 30, day, {}],
  ['runs.concurrency', 1, 1_000_000, {}],
  ['runs.timeoutMs', 1, longestTimer, {}],
  ['runs.maxAttempts', 1, 1_000, {}],
]

describe.each(numbers)('%s', (path, least, most, beside) => {
  const given = (value: unknown): unknown => ({ ...withOption(path, value), ...beside })

  it(`is a whole number from ${least} to ${most}`, () => {
    expect([refusal(given(least)), refusal(given(most))]).toEqual([null, null])
    for (const value of [
      least - 1,
      most + 1,
      least + 0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -1,
      '5000',
      null,
      true,
    ]) {
      const [code, message] = refusal(given(value)) ?? []
      expect(code).toBe('option-invalid')
      expect(message).toContain(`option ${path} must be `)
    }
  })
})

describe.each(['confirm.requestsPerSecond', 'polling.requestsPerSecond'])('%s', (path) => {
  it('is any number above 0, fractions and Infinity included', () => {
    for (const value of [0.001, 1, 50, Number.POSITIVE_INFINITY]) expect(refusal(withOption(path, value))).toBeNull()
    for (const value of [0, -1, Number.NaN, Number.NEGATIVE_INFINITY, '10', null]) {
      expect(refusal(withOption(path, value))).toEqual([
        'option-invalid',
        expect.stringContaining(`option ${path} must be a number above 0, or Infinity`),
      ])
    }
  })
})

describe('confirm.timeoutMs', () => {
  it('that is no whole number is refused with the limits of the default lease', () => {
    for (const wrong of [Number.NaN, 1.5]) {
      const message = `option confirm.timeoutMs must be a whole number from 1 to 10000; it was ${wrong}`
      expect(refusal(withOption('confirm.timeoutMs', wrong))).toEqual(['option-invalid', message])
    }
  })

  const limits = (timeoutMs: number, leaseMs: number) => ({ ...usual, confirm: { timeoutMs }, runs: { leaseMs } })

  it('is at most a third of runs.leaseMs, so that a claim outlives the call it was made for', () => {
    expect(refusal(limits(333, 1_000))).toBeNull()
    expect(refusal(limits(334, 1_000))).toEqual([
      'option-invalid',
      'option confirm.timeoutMs must be at most a third of runs.leaseMs (333); it was 334',
    ])
  })

  it('derives from the lease where that alone is given, and the lease from it', () => {
    expect(readReceiverOptions({ ...usual, runs: { leaseMs: 6_000 } }).confirm.timeoutMs).toBe(2_000)
    expect(readReceiverOptions({ ...usual, runs: { leaseMs: 60_000 } }).confirm.timeoutMs).toBe(5_000)
    expect(readReceiverOptions({ ...usual, confirm: { timeoutMs: 20_000 } }).runs.leaseMs).toBe(60_000)
    expect(readReceiverOptions({ ...usual, confirm: { timeoutMs: 100 } }).runs.leaseMs).toBe(30_000)
  })
})

describe('polling.maxMs', () => {
  it('is no less than polling.firstMs, given or not', () => {
    const limits = (firstMs: number, maxMs: number) => ({ ...usual, polling: { firstMs, maxMs } })
    expect(refusal(limits(1_000, 1_000))).toBeNull()
    expect(refusal(limits(1_000, 999))?.[1]).toContain('option polling.maxMs must be a whole number from 1000')
    expect(refusal({ ...usual, polling: { firstMs: 700_000 } })).toBeNull()
  })
})

describe('runs.backoffMs', () => {
  it('is a pair, the shortest first', () => {
    for (const pair of [
      [1, 1],
      [1_000, 600_000],
      [day, day],
    ])
      expect(refusal(withOption('runs.backoffMs', pair))).toBeNull()
    for (const wrong of [[], [1], [1, 2, 3], [2, 1], [0, 1], [1, day + 1], [1.5, 2], ['1', '2'], 1_000, null]) {
      const [code, message] = refusal(withOption('runs.backoffMs', wrong)) ?? []
      expect(code).toBe('option-invalid')
      expect(message).toMatch(/^option runs\.backoffMs(\[[01]\])? must be /)
    }
  })
})

describe('idPattern', () => {
  it('may be another pattern, whatever its flags', () => {
    for (const pattern of [/req_\d+/, /^req_[a-f0-9]{32}$/, /[a-z]+/giy, /a|b/, /.*/]) {
      expect(refusal(withOption('idPattern', pattern))).toBeNull()
    }
  })

  it('is a regular expression and no text', () => {
    expect(refusal(withOption('idPattern', '[a-z]+'))?.[1]).toContain('option idPattern must be a regular expression')
  })
})

describe('baseUrl', () => {
  it.each([
    'https://app.cheqpoint.co',
    'https://app.cheqpoint.co/',
    'https://proxy.example.com/cheqpoint/',
    'http://localhost:4000',
    'http://127.0.0.1:4000',
    'http://[::1]:4000',
  ])('may be %s', (baseUrl) => {
    expect(refusal(withOption('baseUrl', baseUrl))).toBeNull()
  })

  it.each([
    'http://app.cheqpoint.co',
    'http://localhost.example.com',
    'http://127.0.0.1.example.com',
    'http://0.0.0.0',
    'ftp://app.cheqpoint.co',
    'app.cheqpoint.co',
    '',
    'https://user:CANARY@app.cheqpoint.co',
    'https://app.cheqpoint.co?key=CANARY',
    'https://app.cheqpoint.co#CANARY',
    7,
  ])('is refused as %s, and not shown', (baseUrl) => {
    const [code, message] = refusal(withOption('baseUrl', baseUrl)) ?? []
    expect(code).toBe('option-invalid')
    expect(message).toBe(
      'option baseUrl must be an https URL, or http on a loopback host, without credentials, query and fragment',
    )
  })
})

describe('keys', () => {
  it('are given one way or the other, not both', () => {
    expect(refusal({ ...usual, apiKeys: { billing: key } })).toEqual([
      'option-invalid',
      'give apiKey or apiKeys, not both',
    ])
  })

  it.each([[''], ['with space'], ['line\nbreak'], ['grüße'], [7], [null], [[]], [['cq_live_a', '']], [[7]]])(
    'are refused as %j',
    (apiKey) => {
      expect(refusal({ apiKey, onDecision })?.[0]).toBe('option-invalid')
      expect(refusal({ apiKeys: { billing: apiKey }, onDecision })?.[1]).toContain('option apiKeys.billing must be ')
    },
  )
})

describe('callbackSecret', () => {
  const secret = 'CANARY-0123456789'
  const callbackUrl = 'https://app.test/hook'

  it('is a text of at least 16 characters, or several of them', () => {
    for (const callbackSecret of ['0123456789abcdef', secret, [secret, '0123456789abcdef']]) {
      expect(refusal({ ...usual, callbackUrl, callbackSecret })).toBeNull()
    }
    for (const callbackSecret of [[], '', 'CANARY-01234567', [secret, 'CANARY'], 1e20, null]) {
      expect(refusal({ ...usual, callbackUrl, callbackSecret })).toEqual([
        'option-invalid',
        'option callbackSecret must be a text of at least 16 characters, or a list of them',
      ])
    }
  })

  it('needs a callback URL, which carries the token', () => {
    const [code, message] = refusal({ ...usual, callbackSecret: secret }) ?? []
    expect(code).toBe('option-missing')
    expect(message).toContain('option callbackUrl is required with callbackSecret')
    expect(message).not.toContain('CANARY')
  })

  it('needs a function that keeps the token, where the URL is made by one', () => {
    const given = (make: (token: string) => string) => refusal({ ...usual, callbackSecret: secret, callbackUrl: make })
    expect(given((token) => `${callbackUrl}/${token}`)).toBeNull()
    expect(given(() => callbackUrl)?.[0]).toBe('option-invalid')
    expect(given(() => JSON.parse('{'))).toEqual(['option-invalid', expect.stringContaining('it threw')])
    expect(given((token) => `${callbackUrl}/${token.toLowerCase()}`)?.[0]).toBe('option-invalid')
    expect(given((token) => `/hook/${token}`)?.[0]).toBe('option-invalid')
  })
})

it("sweep: 'elsewhere' is refused with a memory store, which no other process sees", () => {
  const wrong = { ...usual, store: memoryStore(), sweep: 'elsewhere' }
  expect(refusal(wrong)).toEqual(['option-invalid', expect.stringContaining('option sweep must not be')])
})

describe('an option of the wrong type is refused, with what is allowed', () => {
  it.each<[string, readonly unknown[], string]>([
    ['callbackTokens', ['never', true, null], "one of 'optional', 'required', 'off'"],
    ['log', ['text', true, {}, null], 'an object with error(text), or false'],
    ['callbackUrl', [7, {}, null], 'a URL'],
    ['callbackUrl', ['/webhooks', 'ftp://app.test/hook', ''], 'an http or https URL'],
    ['callbackUrl', ['https://app.test/hook?cq=1'], 'a URL without the parameter cq'],
    ['callbackUrl', ['https://app.test/hook#part'], 'a URL without a fragment'],
    ['callbackUrl', [() => 'https://app.test/hook'], 'a function that returns a URL with the token'],
    ['guarantee', ['exactly-once', 1, null], "one of 'at-least-once', 'at-most-once'"],
    ['sweep', ['on', true, null], "one of 'here', 'elsewhere', 'off'"],
    ['actions.refund', ['text', 1, null, []], 'an object'],
    ['actions.refund.onDecision', ['text', {}, null], 'a function'],
    ['actions.refund.details', [{}, { type: 'object' }, () => true, 'text', null], 'a Standard Schema'],
    ['actions.refund.context', [{}, null], 'a Standard Schema'],
    ['actions.refund.modifications', ['patch', null], "one of 'replace', 'merge', 'refuse'"],
    ['actions', ['text', null, []], 'an object'],
    ['onDecision', ['text', {}, null], 'a function'],
    ['onEvent', ['text', {}, null], 'a function'],
    ['random', [0.5, null], 'a function'],
    ['clock', [7, null, {}, { now: () => 0 }, { elapsed: () => 0 }, Date], 'an object with now() and elapsed()'],
    ['store', ['redis://localhost', 7, null, {}, new Map()], 'a store'],
    ['dispatcher', ['http://proxy', {}, null], 'an undici dispatcher'],
    ['agents', ['text', [], [7], [''], [' padded '], ['line\nbreak'], [`grüße`], null], 'a list of header values'],
    ['callbacks', ['text', 7, null, []], 'an object'],
    ['confirm', ['text', 7, null, []], 'an object'],
    ['polling', ['text', 7, null, []], 'an object'],
    ['runs', ['text', 7, null, []], 'an object'],
    ['apiKeys', [[key], null], 'an object'],
  ])('%s', (path, wrong, allowed) => {
    for (const value of wrong) {
      const handler = path.startsWith('actions.refund.') && !path.endsWith('onDecision') ? { onDecision } : {}
      const given = withOption(path, value)
      const options: Record<string, unknown> = path === 'apiKeys' ? { onDecision, apiKeys: value } : { ...given }
      if (path.startsWith('actions.refund.')) {
        const { refund } = given['actions'] as { readonly refund: object } // withOption has just made it
        options['actions'] = { refund: { ...handler, ...refund } }
      }
      const [code, message] = refusal(options) ?? []
      expect([path, value, code]).toEqual([path, value, 'option-invalid'])
      expect(message).toContain(`option ${path} must be ${allowed}`)
    }
  })

  it('the options as a whole', () => {
    for (const value of [undefined, null, 'text', 7, []]) expect(refusal(value)?.[0]).toBe('option-invalid')
  })
})

describe('an object whose content is not in its properties', () => {
  const rows = [['refund', { onDecision }]] as const
  const containers = [new Map(rows), new Set(rows), new Date(), Promise.resolve(), runInNewContext('new Map()')]

  it.each(['actions', 'actions.refund', 'callbacks', 'confirm', 'polling', 'runs'])('is refused as %s', (path) => {
    for (const value of containers) {
      const message = expect.stringContaining(
        `option ${path} must be an object with properties, not a Map, Set or Date`,
      )
      expect(refusal(withOption(path, value))).toEqual(['option-invalid', message])
    }
  })

  it('is refused as all options', () => {
    for (const value of containers) expect(refusal(value)?.[0]).toBe('option-invalid')
  })
})

it('options may be objects of a class, and namespaces of modules', async () => {
  class Runs {
    maxAttempts = 3
  }
  class Options {
    apiKey = key
    runs = new Runs()
    onDecision(): void {}
  }
  const options = new Options()
  expect(readReceiverOptions(options).runs.maxAttempts).toBe(3)
  const code = 'data:text/javascript,export const maxAttempts = 4'
  const runs: unknown = await import(code)
  expect(readReceiverOptions({ ...usual, ...withOption('runs', runs) }).runs.maxAttempts).toBe(4)
})

describe('apiKeys', () => {
  it('whose names are keys are refused: names of assistants are stored and shown in events', () => {
    const message = 'option apiKeys must hold keys by the names of assistants, and one of the names is a key'
    for (const apiKeys of [{ [key]: 'support' }, { billing: 'cq_live_b', [key]: 'cq_live_s' }]) {
      expect(refusal({ apiKeys, onDecision })).toEqual(['option-invalid', message])
    }
  })
})

describe('what a message never shows', () => {
  it.each<[string, unknown]>([
    ['a key in the place of the options', key],
    ['a key in the place of the record of keys', { apiKeys: key, onDecision }],
    ['a list of keys in that place', { apiKeys: [key], onDecision }],
    ['a key that cannot be one', { apiKey: `${key} `, onDecision }],
    ['a key that is one of several', { apiKey: [key, ''], onDecision }],
    ['the URL of a store with its password', { ...usual, store: 'redis://:CANARY@localhost' }],
    ['the URL of a proxy with its password', { ...usual, dispatcher: 'http://user:CANARY@proxy' }],
    ['the URL of the API with a password', { ...usual, baseUrl: 'https://user:CANARY@app.cheqpoint.co' }],
    ['a text in the place of a number', { ...usual, retentionMs: 'CANARY' }],
    ['a text in the place of a function', { ...usual, onEvent: 'CANARY' }],
    ['a word that is none', { ...usual, sweep: 'CANARY' }],
    ['both kinds of keys', { ...usual, apiKeys: { billing: key } }],
    ['a key in the place of an option’s name', { ...usual, [key]: true }],
    ['a key in the place of a name within an option', { ...usual, callbacks: { [key]: 1 } }],
    ['a key in the place of an action', { ...usual, actions: { [key]: { details: 1, onDecision } } }],
    ['a key in the place of an assistant', { apiKeys: { [key]: 'Support Team' }, onDecision }],
  ])('is %s', (_, options) => {
    const found = refusal(options)
    expect(found?.[0]).toMatch(/^option-/)
    expect(found?.[1]).not.toContain('CANARY')
  })
})

describe('verifyAndResolve', () => {
  const core = { store: memoryStore(), client: createClient({ apiKey: key, dispatcher: new FakeApi() }) }

  async function coreRefusal(options: unknown): Promise<readonly [string, string] | null> {
    const callback = { method: 'GET', url: '/', header: () => [], body: { parsed: {} } }
    try {
      // Wrong on purpose: callers without TypeScript exist.
      await verifyAndResolve(callback, options as VerifyOptions)
      return null
    } catch (error) {
      if (error instanceof CheqpointError) return [error.code, error.message]
      throw error
    }
  }

  it('takes a store and a client, and has a default for the rest', async () => {
    expect(await coreRefusal(core)).toBeNull()
    expect(
      await coreRefusal({ ...core, actions: { refund: { details: z.object({}), modifications: 'merge' } } }),
    ).toBeNull()
  })

  it.each<[string, unknown, string]>([
    ['no options', undefined, 'option options must be an object'],
    ['no store', { client: core.client }, 'option store must be a store'],
    ['no client', { store: core.store }, 'option client must be a client'],
    ['a client that is none', { ...core, client: {} }, 'option client must be a client'],
    ['an unknown option', { ...core, sweep: 'here' }, 'option sweep is not known'],
    ['an unknown option of a group', { ...core, confirm: { timeout: 1 } }, 'option confirm.timeout is not known'],
    [
      'an unknown option of an action',
      { ...core, actions: { refund: { detail: 1 } } },
      'option actions.refund.detail is not known',
    ],
    [
      'a handler, which nobody would call',
      { ...core, actions: { refund: { onDecision } } },
      'option actions.refund.onDecision is not known',
    ],
    ['an action that is none', { ...core, actions: { refund: 7 } }, 'option actions.refund must be an object'],
    ['actions that are none', { ...core, actions: 7 }, 'option actions must be an object'],
    [
      'a schema that is none',
      { ...core, actions: { refund: { details: {} } } },
      'option actions.refund.details must be a Standard Schema',
    ],
    [
      'a policy that is none',
      { ...core, actions: { refund: { modifications: 'patch' } } },
      'option actions.refund.modifications must be one of',
    ],
    ['a clock that is none', { ...core, clock: {} }, 'option clock must be an object with now() and elapsed()'],
    ['a pattern that is none', { ...core, idPattern: 'req_.*' }, 'option idPattern must be a regular expression'],
  ])('refuses %s', async (_, options, text) => {
    const [code, message] = (await coreRefusal(options)) ?? []
    expect(code).toMatch(/^option-(invalid|unknown)$/)
    expect(message).toContain(text)
  })
})

it('a receiver to which nothing has happened takes little room', () => {
  const receivers: unknown[] = []
  const create = () => receivers.push(createReceiver({ apiKey: 'cq_live_1', sweep: 'off', onDecision }))
  create()
  const before = bytesInUse()
  for (let count = 0; count < 100; count++) create()
  expect((bytesInUse() - before) / 100).toBeLessThan(40_000)
  expect(receivers).toHaveLength(101)
})
