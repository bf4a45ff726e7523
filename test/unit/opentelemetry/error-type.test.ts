import { expect, it } from 'vitest'
import { CheqpointError } from '../../../src/index.js'
import { errorType } from '../../../src/opentelemetry/error-type.js'

class PaymentError extends Error {
  override readonly name = 'PaymentError'
}

it.each([
  ['the code of an error of this library', new CheqpointError('api-timeout', 'text'), 'api-timeout'],
  ['the name of another error', new PaymentError('card 4242'), 'PaymentError'],
  ['nothing of a name that is more', Object.assign(new Error('x'), { name: 'card 4242' }), '_OTHER'],
  ['nothing of a name that is no word for a class', Object.assign(new Error('x'), { name: 'x'.repeat(65) }), '_OTHER'],
  ['nothing of what is no error', 'card 4242', '_OTHER'],
  [
    'nothing of an error that cannot be read',
    Object.defineProperty(new Error('x'), 'name', {
      get() {
        throw new Error('y')
      },
    }),
    '_OTHER',
  ],
])('what was thrown is called by %s', (_, error, type) => {
  expect(errorType(error)).toBe(type)
})
