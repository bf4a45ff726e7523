import { cancel, discard, retry } from './changes.js'
import type { Command } from './command.js'
import { approve, reject } from './decide.js'
import { doctor } from './doctor.js'
import { parked, pending, unconfirmed } from './lists.js'
import { send } from './send.js'
import { show } from './show.js'
import { simulator } from './simulator.js'

/** Every command, in the order in which help shows them. */
export const commands: readonly Command[] = [
  ...[simulator, approve, reject, send, doctor],
  ...[pending, parked, unconfirmed, show, retry, cancel, discard],
]
