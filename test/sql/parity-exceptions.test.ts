import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exceptions } from '../support/parity-exceptions.js'

test.each(Object.entries(exceptions))(
  'the tests of %s that run only on the memory store exist under these titles',
  (file, parts) => {
    const text = readFileSync(`test/receiver/${file}`, 'utf8')
    for (const part of Object.keys(parts)) expect(text).toContain(part)
  },
)
