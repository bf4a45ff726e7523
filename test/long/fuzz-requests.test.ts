import { describe } from 'vitest'
import { check } from '../support/fuzz-check.js'
import { requestProperties } from './fuzz/properties.js'

describe('in random requests', () => {
  for (const property of requestProperties) check(property)
})
