import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { expect, it } from 'vitest'
import { fromIncoming, fromRequest, toWebResponse } from '../../../src/http/hosts.js'

setFlagsFromString('--allow-natives-syntax')
/** Whether the engine keeps an object as a shape and its values, and not as a table of its own. */
const isFast = new Function('object', 'return %HasFastProperties(object)') as (object: object) => boolean

it('the body of a Web-standard request is a fast object: the engine lets go of a request when it is handled', () => {
  const { body } = fromRequest(new Request('https://app.example/hook', { method: 'POST', body: '{}' }))
  expect(isFast(body)).toBe(true)
})

const request = new Request('https://app.example/hook')
const incoming = new IncomingMessage(new Socket())

it('fromIncoming gives headers that a platform filled in as texts, whatever it filled in', () => {
  const imitation = { rawHeaders: [], headers: { 'content-length': 12, accept: ['a', 'b'] }, body: {} }
  // What the types rule out, a platform may fill in.
  const { header } = fromIncoming(imitation as unknown as IncomingMessage)
  expect([header('content-length'), header('accept'), header('other')]).toEqual([['12'], ['a', 'b'], []])
})

it.each<[string, (wrong: unknown) => unknown, string]>([
  ['fromIncoming()', (wrong) => fromIncoming(incoming, wrong as object), 'parsed'],
  ['fromRequest()', (wrong) => fromRequest(request, wrong as object), 'httpMajor'],
])('%s refuses unknown parts, and what is no object', (name, call, known) => {
  for (const wrong of [null, 7, [], { [`${known}X`]: 1 }]) {
    const failure = { code: 'argument-invalid', message: expect.stringContaining(name) }
    expect(() => call(wrong)).toThrow(expect.objectContaining(failure))
  }
  expect(() => call({ [`${known}X`]: 1 })).toThrow(`did you mean ${known}?`)
})

it.each<[string, (wrong: never) => unknown, readonly unknown[]]>([
  ['fromIncoming()', fromIncoming, [undefined, null, 7, {}, request]],
  ['fromRequest()', fromRequest, [undefined, null, 7, {}, incoming]],
  ['toWebResponse()', toWebResponse, [undefined, null, 7, {}, { kind: 'token-refused' }]],
])('%s throws argument-invalid for anything else', (name, call, wrongs) => {
  for (const wrong of wrongs) {
    const failure = { code: 'argument-invalid', message: expect.stringContaining(name) }
    // What the types rule out, plain JavaScript may send.
    expect(() => call(wrong as never)).toThrow(expect.objectContaining(failure))
  }
})
