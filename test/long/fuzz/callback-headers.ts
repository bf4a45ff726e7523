import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { type Callback, fromIncoming, fromRequest } from '../../../src/index.js'
import { readAnswer } from './answers.js'
import { FuzzBench } from './bench.js'
import { maxBodyBytes } from './bodies.js'
import { deserved } from './header-oracle.js'
import { type HeaderPairs, headerPairs } from './headers.js'
import { type Property, property } from './property.js'
import { register } from './registered.js'
import { json } from './upstream.js'

const body = Buffer.from('{"approvalId":"req_1"}')

/** Headers only decide whether the body is read. */
export const callbackHeaders: Property = property({
  name: 'headers',
  says: 'headers admit or refuse a callback as documented, before any API or store call',
  sees: [
    '200 handled',
    '400 malformed',
    '403 agent-refused',
    '405 method-not-allowed',
    '413 body-too-large',
    '415 media-type-refused',
  ],
  arbitrary: fc.record({
    method: fc.oneof(
      { weight: 15, arbitrary: fc.constant('POST') },
      { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS') },
    ),
    pairs: headerPairs,
    host: fc.nat(7).map((n) => (n === 0 ? 'fetch' : 'node')),
  }),
  open() {
    const bench = new FuzzBench({ callbacks: { maxBodyBytes } })
    return {
      async judge({ method, pairs, host }, note) {
        const { upstream, inner, runs, events } = bench.begin()
        await register(inner, 'req_1')
        upstream.answer = () => json({ id: 'req_1', status: 'APPROVED', modifiedDetails: null })
        const callback = host === 'node' ? ofNode(method, pairs) : ofFetch(method, pairs)
        const meaning = readAnswer(await bench.handle(callback))
        note(meaning)
        assert.ok(deserved(method, pairs).includes(meaning), `${meaning} instead of ${deserved(method, pairs)}`)
        for (const event of events) if (event.type === 'agent-version') assert.match(event.agent, /^[\w./-]{1,64}$/)
        if (meaning !== '200 handled') return bench.expectRefused()
        assert.deepEqual([upstream.asked.length, runs.length], [1, 1])
      },
      close: () => bench.close(),
    }
  },
})

/** Headers as Node.js parses them, without a socket; a parser has already set the text of the body. */
function ofNode(method: string, pairs: HeaderPairs): Callback {
  // Of a socket, only its buffer size is read.
  const request = new IncomingMessage(undefined as never)
  request.method = method
  request.url = '/webhooks/cheqpoint'
  // The parser of Node.js calls this with its headers.
  const addHeaderLines: unknown = Reflect.get(request, '_addHeaderLines')
  assert.ok(typeof addHeaderLines === 'function')
  addHeaderLines.call(request, pairs.flat(), pairs.length * 2)
  return fromIncoming(request, { parsed: body })
}

function ofFetch(method: string, pairs: HeaderPairs): Callback {
  const headers = new Headers()
  for (const [name, value] of pairs) headers.append(name, value)
  const bodyless = method === 'GET' || method === 'HEAD'
  return fromRequest(new Request('https://app.test/hook', { method, headers, ...(bodyless ? {} : { body }) }))
}
