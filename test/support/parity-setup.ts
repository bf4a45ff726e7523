import { basename } from 'node:path'
import { beforeEach } from 'vitest'
import { exceptions } from './parity-exceptions.js'

/*
 * Runs before each test file of the receiver on another store, and skips the tests that do not run there, with the
 * reason.
 */

beforeEach(({ task, skip }) => {
  const { name, file } = task
  for (const [part, reason] of Object.entries(exceptions[basename(file.name)] ?? {}))
    if (name.includes(part)) skip(reason)
})
