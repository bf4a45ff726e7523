import { Agent } from 'undici'
import { chanceOf } from '../../support/chance.js'
import { Callbacks } from '../../support/deliveries.js'
import { Log } from '../../support/log.js'
import { truthOf } from '../../support/truth.js'
import { genuineId, type ReviewerPlan } from './messages.js'
import { onOrder, readPlan, say } from './process.js'

/*
 * The process that decides at random times and sends the genuine callbacks: one per decision, without retries.
 */

const plan = readPlan<ReviewerPlan>()
const { seed, port, cheqpointPort, paths, withinMs } = plan
const chance = chanceOf(seed)
// Long enough for a slow machine.
const callbacks = new Callbacks(new Log(plan.log), paths.length, chance, 60_000)
callbacks.ports = [port]
const agent = new Agent()
const moments = paths.map(() => chance() * withinMs)

async function decide(n: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, moments[n]))
  const id = genuineId(n)
  const { status, modifiedDetails } = truthOf(seed, n)
  const origin = `http://127.0.0.1:${cheqpointPort}`
  const { body: answer } = await agent.request({ origin, path: `/decide/${id}`, method: 'POST' })
  await answer.dump()
  const body = JSON.stringify({ approvalId: id, status: status.toLowerCase(), modifiedDetails, decisionNote: null })
  callbacks.send({ id, sort: 'genuine', path: paths[n] ?? '', body })
}

onOrder(async ({ kind }) => {
  if (kind !== 'go') return
  const startedAt = performance.now()
  await Promise.all(paths.map((_, n) => decide(n)))
  await callbacks.idle()
  say({ kind: 'done', sent: paths.length, seconds: (performance.now() - startedAt) / 1_000, answers: [] })
})
say({ kind: 'ready' })
