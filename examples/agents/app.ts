/*
 * The app around each agent of this folder: requests approval for the tool calls that wait, and resumes the agent in the
 * handler, which is the only place that does.
 *
 *   curl http://127.0.0.1:3000/tickets/7 -H 'Content-Type: text/plain' -d 'Order 8842 arrived broken. Refund $120.'
 */
import Database from 'better-sqlite3'
import { createReceiver, type Decision, type Run } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import express from 'express'
import { z } from 'zod'
import { Refund } from './refunds.js'

const Asked = z.object({ ticket: z.string(), toolCallId: z.string() })
export type RefundDecision = Decision<Refund, z.output<typeof Asked>>

/** An agent that pauses at a tool call. Its calls for one ticket never overlap. */
export interface PausingAgent {
  /** Runs a new ticket until it ends or waits for approval. An older one goes on from where it was interrupted. */
  readonly start: (ticket: string, text: string) => Promise<void>
  /** The tool calls that a ticket waits for. */
  readonly waiting: (ticket: string) => Promise<readonly { readonly id: string; readonly details: Refund }[]>
  /** Acts on the decision and resumes the ticket. May be called again after a crash. */
  readonly resume: (decision: RefundDecision, run: Run) => Promise<void>
}

/** Serves an agent. A ticket that arrives twice is started once. */
export async function serve(agent: PausingAgent): Promise<void> {
  const receiver = createReceiver({
    apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
    baseUrl: process.env['CHEQPOINT_BASE_URL'],
    callbackUrl: `${process.env['PUBLIC_URL']}/webhooks/cheqpoint`,
    store: sqliteStore(new Database('approvals.db')), // open requests survive a crash
    actions: {
      process_refund: {
        details: Refund,
        context: Asked,
        async onDecision(decision, run) {
          const { ticket } = decision.context
          await inTurn(ticket, () => agent.resume(decision, run))
          await ask(ticket) // for what the agent wants next
        },
      },
    },
  })

  /** Outside `inTurn`: a rule may decide at once, and then the handler runs before `submit` resolves. */
  async function ask(ticket: string): Promise<void> {
    for (const { id: toolCallId, details } of await agent.waiting(ticket)) {
      const summary = `Refund $${details.amount} for order #${details.orderId}`
      // A tool call that was asked for already gets its first request.
      const key = { idempotencyKey: `${ticket} ${toolCallId}`, context: { ticket, toolCallId } }
      await receiver.submit({ action: 'process_refund', summary, details }, key)
    }
  }

  const app = express()
  app.post('/webhooks/cheqpoint', expressCallback(receiver))
  app.post('/tickets/:id', express.text(), async ({ params, body }, response) => {
    await inTurn(params.id, () => agent.start(params.id, body))
    await ask(params.id)
    response.sendStatus(202)
  })
  await receiver.start()
  app.listen(process.env['PORT'] ?? 3000, (error) => {
    if (error) throw error
    console.log('listening')
  })
}

const turns = new Map<string, Promise<unknown>>()

/** One task of a ticket after the other. With several processes use a lock in your database instead. */
async function inTurn(ticket: string, task: () => Promise<void>): Promise<void> {
  const turn = (turns.get(ticket) ?? Promise.resolve()).then(task, task)
  turns.set(ticket, turn)
  await turn.finally(() => turns.get(ticket) === turn && turns.delete(ticket))
}
