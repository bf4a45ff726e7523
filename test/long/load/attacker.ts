import { throwJunk } from './junk.js'
import type { AssaultPlan } from './messages.js'
import { onOrder, readPlan, say } from './process.js'
import { holdSockets } from './slow.js'
import { sendSpoofs } from './spoofs.js'
import { Tally } from './tally.js'

/* The process of an attacker. Attacks once, on the driver's order. */

const plan = readPlan<AssaultPlan>()

async function attack(tally: Tally): Promise<number> {
  if (plan.kind === 'slow') return holdSockets(plan, tally)
  return plan.kind === 'junk' ? throwJunk(plan, tally) : sendSpoofs(plan, tally)
}

onOrder(async ({ kind }) => {
  if (kind !== 'go') return
  const tally = new Tally()
  const startedAt = performance.now()
  const sent = await attack(tally)
  say({ kind: 'done', sent, seconds: (performance.now() - startedAt) / 1_000, answers: tally.answers() })
})
say({ kind: 'ready' })
