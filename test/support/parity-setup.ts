import { basename } from 'node:path'
import { beforeEach } from 'vitest'
import { exceptions } from './parity-exceptions.js'

/*
 * Runs before each file of the receiver's tests on another store, and skips what does not run there, with the reason.
 */

beforeEach(({ task, skip }) => {
  const { name, file } = task
  for (const [part, reason] of Object.entries(exceptions[basename(file.name)] ?? {}))
    if (name.includes(part)) skip(reason)
})
