import fc from 'fast-check'
import type { ModelCommand } from './command.js'
import { faults } from './faults.js'
import { often, seldom } from './ordinary.js'

/** Sequences of commands, with common ones more often than rare ones. */
export const commandLists: fc.Arbitrary<Iterable<ModelCommand>> = fc.commands(
  [...often, ...often, ...often, ...seldom, ...faults],
  { maxCommands: 50, size: 'max' },
)
