import { z } from 'zod'
import type { StandardSchema, SubmitOptions, SubmitRequest } from '../../src/index.js'
import { action, canaries, id, tracked } from './answers-bench.js'
import { type Act, submit } from './redaction-act.js'

type Wrong = readonly [string, Partial<SubmitRequest>, SubmitOptions, Act['ends']]

/** Callers without types can give anything. */
function untyped<Value>(value: unknown): Value {
  return value as Value
}

const wrong: readonly Wrong[] = [
  ['details that are a text', { details: untyped(canaries.details) }, {}, 'argument-invalid'],
  ['details that are not JSON', { details: { card: canaries.details, at: new Date() } }, {}, 'not-json'],
  ['a context that is not JSON', {}, { context: { card: canaries.context, at: new Map() } }, 'not-json'],
  ['metadata that are not JSON', { metadata: { card: canaries.details, at: 1n } }, {}, 'not-json'],
  ['no action', { action: '' }, {}, 'argument-invalid'],
  ['an assistant where there is one key', {}, { assistant: canaries.context }, 'argument-invalid'],
  ['a wait that is none', {}, { maxWaitMs: -1 }, 'argument-invalid'],
  ['an empty key', {}, { idempotencyKey: '' }, 'argument-invalid'],
  ['a text in the place of a date', {}, { expiresAt: untyped(canaries.context) }, 'argument-invalid'],
]

const standard = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({
  '~standard': { version: 1, vendor: 'test', validate },
})
const quoting = standard((value) => ({ issues: [{ message: `not ${JSON.stringify(value)}`, path: ['orderId'] }] }))
const throwing = standard((value) => {
  throw new Error(`not ${JSON.stringify(value)}`)
})

const schemas = [
  ['the details do not pass', { details: z.object({ orderId: z.number() }) }],
  ['the details do not pass, being quoted', { details: quoting }],
  ['the details make throw', { details: throwing }],
  ['the context does not pass', { context: z.object({ tenant: z.number() }) }],
  ['the context does not pass, being quoted', { context: quoting }],
] as const

const wrongId = `../${canaries.claim}`
const byId: readonly (readonly [string, Act['run']])[] = [
  ['track', ({ receiver }) => receiver.track(wrongId, tracked)],
  ['wait', ({ receiver }) => receiver.wait(wrongId)],
  ['resolve', ({ receiver }) => receiver.resolve(wrongId)],
  ['retry', ({ receiver }) => receiver.retry(wrongId)],
  ['cancel', ({ receiver }) => receiver.cancel(wrongId)],
]

/** Calls that are refused because of their arguments. */
export const wrongArguments: readonly Act[] = [
  ...wrong.map(
    ([what, change, options, ends]): Act => ({
      name: `submit with ${what}`,
      ends,
      run: (bench) => submit(bench, change, options),
    }),
  ),
  ...schemas.map(
    ([what, rules]): Act => ({
      name: `submit under a schema that ${what}`,
      options: { actions: { [action]: { ...rules, onDecision: () => {} } } },
      ends: 'argument-invalid',
      run: (bench) => submit(bench),
    }),
  ),
  ...byId.map(([name, run]): Act => ({ name: `${name} with an id that is none`, ends: 'id-invalid', run })),
  ...(['parked', 'unconfirmed'] as const).map(
    (name): Act => ({
      name: `${name} with a cursor that is none`,
      ends: 'argument-invalid',
      run: ({ receiver }) => receiver[name]({ cursor: canaries.context }),
    }),
  ),
  {
    name: 'track with details that are not JSON',
    ends: 'not-json',
    run: ({ receiver }) => receiver.track(id, { ...tracked, details: { card: canaries.details, at: Number.NaN } }),
  },
  {
    name: 'callbackUrl where none is configured',
    ends: 'option-missing',
    run: async ({ receiver }) => receiver.callbackUrl(),
  },
]
