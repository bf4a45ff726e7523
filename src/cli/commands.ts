import { cancel } from './cancel.js'
import type { Command } from './command.js'
import { approve, reject } from './decide.js'
import { discard } from './discard.js'
import { doctor } from './doctor.js'
import { parked } from './parked.js'
import { pending } from './pending.js'
import { retry } from './retry.js'
import { send } from './send.js'
import { show } from './show.js'
import { simulator } from './simulator.js'
import { unconfirmed } from './unconfirmed.js'

/** Every command, in the order in which help shows them. */
export const commands: readonly Command[] = [
  simulator,
  approve,
  reject,
  send,
  doctor,
  pending,
  parked,
  unconfirmed,
  show,
  retry,
  cancel,
  discard,
]
