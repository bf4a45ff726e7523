/*
 * OpenAI Agents: `run` returns when a tool `needsApproval`. The handler restores the `RunState`, approves or rejects the tool
 * call, and runs it again. The state is kept in a file, so that another process can go on after a crash.
 */
import { Agent, RunContext, RunState, run as runAgent, tool } from '@openai/agents'
import { serve } from './app.js'
import { openConversations } from './conversations.js'
import { Refund, settle } from './refunds.js'

/** By tool call: what became of it. */
type Answers = Record<string, string>
const states = openConversations<string>('conversations.db')

const refund = tool({
  name: 'refund',
  description: 'Refunds an order. A person reviews it and may change it.',
  parameters: Refund,
  needsApproval: true,
  // Does not pay: its input is what the model wanted, without the edit.
  execute: (_input, answers?: RunContext<Answers>, call?) => answers?.context[call?.toolCall?.callId ?? ''],
})
const agent = new Agent<Answers>({ name: 'Support', model: 'gpt-5-mini', tools: [refund] })

/** The state of a ticket, and the tool calls that it waits for. */
async function read(ticket: string, answers: Answers) {
  const text = states.load(ticket)
  if (text === undefined) return { waiting: [] }
  const state = await RunState.fromStringWithContext(agent, text, new RunContext(answers))
  const waiting = state.getInterruptions().flatMap((item) => {
    const call = item.rawItem
    return call.type === 'function_call'
      ? [{ item, id: call.callId, details: Refund.parse(JSON.parse(call.arguments)) }]
      : []
  })
  return { state, waiting }
}

await serve({
  async start(ticket, text) {
    if (states.load(ticket) === undefined) states.save(ticket, (await runAgent(agent, text)).state.toString())
  },

  async waiting(ticket) {
    return (await read(ticket, {})).waiting
  },

  async resume(decision, run) {
    const { ticket, toolCallId } = decision.context
    const answers: Answers = {}
    const { state, waiting } = await read(ticket, answers)
    const call = waiting.find(({ id }) => id === toolCallId)
    if (state === undefined || call === undefined) {
      const isKnown = state?.history.some((item) => item.type === 'function_call' && item.callId === toolCallId)
      if (isKnown) return // an earlier attempt resumed it, and crashed
      throw new Error(`ticket ${ticket} has no tool call ${toolCallId}`)
    }
    const answer = await settle(decision, run)
    answers[toolCallId] = answer
    if (decision.status === 'approved') state.approve(call.item)
    else state.reject(call.item, { message: answer })
    const resumed = await runAgent(agent, state, { signal: run.signal })
    states.save(ticket, resumed.state.toString())
  },
})
