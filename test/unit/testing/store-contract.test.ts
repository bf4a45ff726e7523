import { expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.js'
import { storeContract } from '../../../src/testing/index.js'

it.each([undefined, null, {}, memoryStore()])('storeContract refuses what is no harness: %o', (wrong) => {
  // What the types rule out, plain JavaScript may send.
  const make = (): unknown => storeContract(wrong as never)
  const failure = { code: 'argument-invalid', message: expect.stringContaining('storeContract() takes { create }') }
  expect(make).toThrow(expect.objectContaining(failure))
})
