import { describe } from 'vitest'
import { requestProperties } from './fuzz/properties.js'
import { check } from './support/fuzz-check.js'

describe('in random requests', () => {
  for (const property of requestProperties) check(property)
})
