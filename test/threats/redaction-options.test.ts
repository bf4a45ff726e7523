import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createClient, createReceiver, isCheqpointError, memoryStore, verifyAndResolve } from '../../src/index.js'
import { createSimulator } from '../../src/simulator/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { canaries, everything, searchFor, standingSecrets } from '../support/canaries.js'

const search = searchFor(standingSecrets)
const key = `cq_live_${canaries.key}`
const secret = `secret-${canaries.callbackSecret}`
const onDecision = (): void => {}

/** Shows what it holds to everybody who asks. */
class Talkative {
  readonly secret = secret
  toString(): string {
    return secret
  }
  toJSON(): string {
    return secret
  }
  [inspect.custom](): string {
    return secret
  }
  [Symbol.toPrimitive](): string {
    return secret
  }
}

/** What may stand in the place of something else. */
const wrong: readonly (readonly [string, unknown])[] = [
  ['a key', key],
  ['a key with a line break', `${key}\n`],
  ['a secret', secret],
  ['a URL with a password', `https://user:${secret}@app.test`],
  ['a URL with a key in its query', `https://app.test/?key=${key}`],
  ['the URL of a store', `redis://:${secret}@localhost:6379`],
  ['a list of keys', [key, secret]],
  ['a list of what is none', [key, 7, null]],
  ['an object with a key', { apiKey: key, secret }],
  ['an object with a key as its name', { [key]: 'Support Team' }],
  ['a map', new Map([[key, secret]])],
  ['bytes', Buffer.from(secret)],
  ['an error', new Error(secret)],
  ['a symbol', Symbol(secret)],
  ['an object that talks', new Talkative()],
]

type Create = (options: object) => unknown

/** Every function that takes options, with such as it takes. */
const creators: readonly (readonly [name: string, create: Create, usual: object])[] = [
  // Wrong on purpose: callers without types can give anything.
  ['createReceiver', (options) => createReceiver(options as never), { apiKey: key, onDecision }],
  ['createClient', (options) => createClient(options as never), { apiKey: key }],
  ['memoryStore', (options) => memoryStore(options as never), {}],
  ['redisStore', (options) => redisStore(options as never), { sendCommand: async () => {} }],
  [
    'verifyAndResolve',
    (options) => verifyAndResolve(callback, options as never),
    { store: memoryStore(), client: createClient({ apiKey: key }) },
  ],
  ['createSimulator', (options) => createSimulator(options as never), { apiKey: key }],
]
const callback = { method: 'GET', url: '/', header: () => [], body: { parsed: {} } }

/** Names of options, as the error for an unknown one lists them. */
async function knownOptions(create: Create, usual: object): Promise<readonly string[]> {
  const error = await outcome(create, { ...usual, surprise: 1 })
  if (!isCheqpointError(error, 'option-unknown')) throw new Error('an unknown option was taken')
  return error.message.split('known are: ')[1]?.split(', ') ?? ['apiKey', 'apiKeys', 'clock', 'random']
}

/** What is made, or the error. */
async function outcome(create: Create, options: unknown): Promise<unknown> {
  try {
    return await create(options as object)
  } catch (error) {
    return error
  }
}

describe.each(creators)('%s shows nothing of', (_, create, usual) => {
  it.each(wrong)('%s in the place of its options', async (_, value) => {
    const error = await outcome(create, value)
    if (error instanceof Error) expect(isCheqpointError(error)).toBe(true)
    expect(search(everything(error))).toEqual([])
  })

  it.each(wrong)('%s in the place of any option', async (_, value) => {
    const names = await knownOptions(create, usual)
    expect(names.length).toBeGreaterThan(1)
    for (const name of names) {
      const made = await outcome(create, { ...usual, [name]: value })
      if (made instanceof Error) expect(isCheqpointError(made), name).toBe(true)
      expect(search(everything(made)), name).toEqual([])
    }
  })
})

describe('createReceiver shows nothing of', () => {
  const groups = ['callbacks', 'confirm', 'polling', 'runs']

  it.each(wrong)('%s in the place of an option within another', async (_, value) => {
    for (const group of groups) {
      const create: Create = (options) => createReceiver({ apiKey: key, onDecision, [group]: options })
      for (const full of await knownOptions(create, {})) {
        const made = await outcome(create, { [full]: value })
        if (made instanceof Error) expect(isCheqpointError(made), full).toBe(true)
        expect(search(everything(made)), full).toEqual([])
      }
    }
  })

  it.each(wrong)('%s in the place of a part of an action', async (_, value) => {
    for (const name of ['details', 'context', 'modifications', 'onDecision', 'surprise']) {
      const actions = { refund: { onDecision, [name]: value } }
      const made = await outcome((options) => createReceiver(options as never), { apiKey: key, actions })
      expect(search(everything(made)), name).toEqual([])
    }
  })
})
