import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exceptions } from '../support/parity-exceptions.js'

test.each(Object.entries(exceptions))(
  'tests of %s that run on the memory store alone are there, by these titles',
  (file, parts) => {
    const text = readFileSync(`test/receiver/${file}`, 'utf8')
    for (const part of Object.keys(parts)) expect(text).toContain(part)
  },
)
