import { randomUUID } from 'node:crypto'
import express from 'express'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expressCallback } from '../../adapters/express.js'
import { type Decision, memoryStore, type Store } from '../../src/index.js'
import { adapterBench, bodyFor, callback, comparable, problem, taken } from '../support/adapters-bench.js'
import { answersBench } from '../support/answers-bench.js'
import { snapshotOf } from '../support/approval-snapshot.js'
import { listenTo, path } from '../support/hosts.js'
import { describeWith } from '../support/needs.js'
import { entry, hour, openBench, type RedisBench, recorder } from '../support/redis-bench.js'
import { behind, effects, none, ways } from '../support/threats-bench.js'

/*
 * What may stand where an approval id belongs, and what keys and objects of a stranger can turn into.
 */

const handled = taken(200, 'handled')
const malformed = problem(400, 'malformed', 'Malformed callback')

/** As JSON text, so that nothing tidies it up before it is sent. */
const paths = ['.', '..', '...', '%2e%2e', '%2E.', '../../x', 'a/../b', '//host', '/x', 'http://host/', 'a?b', 'a#b']
const characters = ['a%00', 'a;b', 'a b', ' req_1', 'req_1 ', 'a\\b', '\\\\host', 'req_1\n', 'a\r\nX: y', 'a\tb', 'a\0']
const letters = [
  'r\u0435q_1',
  'req_\uff11',
  'req\u2028',
  'req\u0131',
  'req_\u0301',
  '\ufeffreq_1',
  '\u202ereq_1',
  'a\u00adb',
]
const redis = ['{a}b', 'a:b', 'a*', '[ab]', 'a|b', 'a,b', 'a.b', '$1', '@a', '"a"', "'a'", '<a>', '~a', 'a=b', 'a&b']
const texts = [...paths, ...characters, ...letters, ...redis, '', 'a'.repeat(129), 'a'.repeat(100_000)]
const others = ['null', 'true', '0', '1e999', '-0', '123456789012345678901234567890', '[]', '["req_1"]', '{}']
const objects = ['{"$gt":""}', '{"toString":"req_1"}', '{"length":1}', '[["req_1"]]', '{"approvalId":"req_1"}']
const escapes = ['"\\ud800"', '"\\udc00\\ud800"', '"req_1\\u0000"', '"\\u202ereq_1"', '"\\u0072eq_1\\u2029"']
const wrong = [...texts.map((text) => JSON.stringify(text)), ...others, ...objects, ...escapes]

const mark = '\ufeff'
const bodies: readonly (readonly [name: string, body: string | Uint8Array])[] = [
  ['a byte order mark', Buffer.from(`${mark}${bodyFor('req_1')}`)],
  ['two byte order marks', Buffer.from(`${mark}${mark}${bodyFor('req_1')}`)],
  ['UTF-16 with its mark', Buffer.from(`${mark}${bodyFor('req_1')}`, 'utf16le')],
  ['UTF-16 with its mark, high byte first', Buffer.from(`${mark}${bodyFor('req_1')}`, 'utf16le').swap16()],
  ['UTF-32', Buffer.concat([...bodyFor('req_1')].map((each) => Buffer.from([each.charCodeAt(0), 0, 0, 0])))],
  ['a slash written in two bytes', bytesAround([0xc0, 0xaf])],
  ['half of a pair, as bytes', bytesAround([0xed, 0xa0, 0x80])],
  ['a character beyond the last', bytesAround([0xf4, 0x90, 0x80, 0x80])],
  ['a character that breaks off', bytesAround([0xe2, 0x82])],
  ['a NUL after it', `${bodyFor('req_1')}\0`],
  ['letters after it', `${bodyFor('req_1')}x`],
  ['another object after it', `${bodyFor('req_1')}\n${bodyFor('req_1')}`],
  ['a comma after its last field', '{"approvalId":"req_1",}'],
  ['a comment', '{"approvalId":"req_1"/**/}'],
  ['quotes of the wrong kind', "{'approvalId':'req_1'}"],
  ['a line break inside a text', '{"approvalId":"req_1","decisionNote":"a\nb"}'],
  ['an escape that breaks off', '{"approvalId":"req_1","decisionNote":"\\u00"}'],
  ['a number that JSON does not have', '{"approvalId":"req_1","modifiedDetails":{"amount":NaN}}'],
  ['a number with a zero before it', '{"approvalId":"req_1","modifiedDetails":{"amount":01}}'],
  ['a guard against script tags', `)]}',\n${bodyFor('req_1')}`],
]

/** A body with these bytes in a text that nobody looks at. */
function bytesAround(bytes: readonly number[]): Buffer {
  const [before = '', after = ''] = JSON.stringify({ approvalId: 'req_1', more: '*' }).split('*')
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
}

behind(ways, ({ bench, host }) => {
  it.each(['approvalId', 'id'])('T21: none of the paths passes as %s, and no GET is sent', async (name) => {
    const current = await bench({ callbacks: { maxBodyBytes: 400_000 } })
    for (const value of wrong) {
      const answer = comparable(await host().send(callback({ body: `{"${name}":${value}}` })))
      expect([value, answer]).toEqual([value, malformed])
    }
    expect(effects(current)).toEqual(none)
  })

  it('T22: an id is refused as well where it stands beside a good one', async () => {
    const current = await bench()
    for (const value of wrong.filter((each) => each !== 'null')) {
      for (const body of [`{"approvalId":"req_1","id":${value}}`, `{"approvalId":${value},"id":"req_1"}`]) {
        expect([body, (await host().send(callback({ body }))).status]).toEqual([body, 400])
      }
    }
    expect(effects(current)).toEqual(none)
  })

  it('T26: of two values under one name the last counts, on every host', async () => {
    const current = await bench()
    const twice = (first: string, last: string): string => `{"approvalId":${first},"status":"x","approvalId":${last}}`
    const answers: number[] = []
    for (const body of [twice('"req_1"', '".."'), twice('"req_1"', '"req_9"'), twice('".."', '"req_1"')]) {
      answers.push((await host().send(callback({ body }))).status)
    }
    expect(answers).toEqual([400, 404, 200])
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it.each(bodies)('T45: %s makes a body no JSON', async (_, body) => {
    const current = await bench()
    for (const framing of ['length', 'chunked'] as const) {
      expect(comparable(await host().send(callback({ body, framing })))).toEqual(malformed)
    }
    expect(effects(current)).toEqual(none)
  })

  it('T25: names that objects inherit change no object, in a callback or in a response of the API', async () => {
    const seen: Decision[] = []
    const current = await bench({ onDecision: (decision) => void seen.push(decision) })
    const evil =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"orderId":"1","amount":2}'
    current.api.answer('req_1', { body: `{"id":"req_1","status":"APPROVED","modifiedDetails":${evil}}` })
    const body = `{"approvalId":"req_1","__proto__":{"approvalId":"req_9","polluted":true},"modifiedDetails":${evil}}`
    expect(comparable(await host().send(callback({ body })))).toEqual(handled)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    const [decision] = seen
    // What a reviewer wrote is handed over as it is: as fields, and not as what they might turn an object into.
    expect(JSON.stringify(decision?.modifiedDetails)).toBe(evil)
    expect(Object.getPrototypeOf(decision?.modifiedDetails)).toBe(Object.prototype)
    expect(decision?.status === 'approved' && JSON.stringify(decision.details)).toBe(evil)
  })
})

describe('a body that a parser of the app has read', () => {
  it('T25: has no id but its own', async () => {
    const current = await adapterBench()
    const app = express().use(express.json(), express.urlencoded({ extended: true }))
    const host = await listenTo(app.post(path, expressCallback(current.receiver)))
    for (const body of ['{"__proto__":{"approvalId":"req_1"}}', '{"constructor":{"approvalId":"req_1"}}']) {
      expect(comparable(await host.send(callback({ body })))).toEqual(malformed)
    }
    expect(effects(current)).toEqual(none)
    await host.close()
    await current.receiver.close()
  })
})

const inherited = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'then', 'length']

/** Ids that are words to the language are ids like any other to this store. */
async function isNoWord(make: () => Store): Promise<void> {
  const store = make()
  const { receiver, api, runs, send } = answersBench({ sweep: 'elsewhere' }, store)
  for (const each of inherited) expect((await send({ body: `{"approvalId":"${each}"}` })).status).toBe(404)
  for (const each of inherited) {
    expect(await snapshotOf(store, each)).toBeNull()
    expect(await receiver.track(each, { action: 'refund', details: { each } })).toBe(true)
    api.approve(each)
  }
  for (const each of inherited) expect((await send({ body: `{"approvalId":"${each}"}` })).status).toBe(200)
  expect(runs.map((run) => [run.approvalId, run.originalDetails])).toEqual(inherited.map((each) => [each, { each }]))
  await receiver.close()
}

describe('the memory store', () => {
  it('T24: takes ids that every object inherits for ids like any other', () => isNoWord(() => memoryStore()))
})

describeWith('redis-server', 'redisStore', () => {
  let bench: RedisBench
  beforeAll(async () => {
    bench = await openBench()
  })
  afterAll(() => bench.close())

  it('T24: takes ids that every object inherits for ids like any other on Redis', () => isNoWord(() => bench.store()))

  it('T23: keeps an id whole at the end of its key, under the hash tag of its partition, whatever is in it', async () => {
    const { send: sendCommand, commands } = recorder(bench.send)
    const prefix = randomUUID()
    const store = bench.store({ sendCommand, prefix, partitions: 4 })
    const nasty = fc.string({
      unit: fc.constantFrom('{', '}', ':', '*', '?', '[', ']', '\\', '\n', '"', 'a'),
      minLength: 1,
    })
    const known = new Set<string>()
    await fc.assert(
      fc.asyncProperty(nasty, async (id) => {
        commands.length = 0
        const key = `a:${id}`
        const state = { id }
        expect(await store.write(key, null, entry({ dueAt: 4e12, state }))).toBe(!known.has(id))
        known.add(id)
        expect(await store.read(key)).toMatchObject({ entry: { state } })
        for (const [, , count, ...rest] of commands.filter(([name]) => name === 'EVALSHA' || name === 'EVAL')) {
          const keys = rest.slice(0, Number(count)).map(String)
          const [tag = ''] = keys[0]?.match(/^\{[^{}]+:\d\}/) ?? []
          expect(keys.every((key) => key.startsWith(`${tag}:`))).toBe(true)
          expect(keys[0]).toBe(`${tag}:${key}`)
        }
      }),
      { numRuns: 100 },
    )
    expect(await store.count()).toMatchObject({ open: known.size })
    for (const id of known) {
      const { entry: stored } = await store.read(`a:${id}`)
      expect(await store.write(`a:${id}`, stored?.stamp ?? null, entry(), { keepMs: hour })).toBe(true)
    }
  })

  it('T23: gets no command for a key that an id made up', async () => {
    const { send: sendCommand, commands } = recorder(bench.send)
    const { receiver, send } = answersBench({ sweep: 'elsewhere' }, bench.store({ sendCommand }))
    await receiver.start()
    commands.length = 0
    for (const each of redis) expect((await send({ body: { approvalId: each } })).status).toBe(400)
    expect(commands).toEqual([])
    await receiver.close()
  })
})
