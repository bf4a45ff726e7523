import { setFlagsFromString } from 'node:v8'
import { expect, it } from 'vitest'
import { fromRequest } from '../../../src/http/hosts.js'

setFlagsFromString('--allow-natives-syntax')
/** Whether the engine keeps an object as a shape and its values, and not as a table of its own. */
const isFast = new Function('object', 'return %HasFastProperties(object)') as (object: object) => boolean

it('the body of a Web-standard request is a fast object: the engine lets go of a request when it is handled', () => {
  const { body } = fromRequest(new Request('https://app.example/hook', { method: 'POST', body: '{}' }))
  expect(isFast(body)).toBe(true)
})
