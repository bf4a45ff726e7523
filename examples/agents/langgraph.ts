/*
 * LangGraph: the tool pauses the graph with `interrupt`, and the handler resumes it with `Command`. The checkpointer keeps
 * the graph in a file, so that another process can go on after a crash.
 */
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { Command, END, interrupt, MessagesAnnotation, Send, START, StateGraph } from '@langchain/langgraph'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite'
import { ChatOpenAI } from '@langchain/openai'
import { z } from 'zod'
import { serve } from './app.js'
import { Refund, settle } from './refunds.js'

// The tool only pauses. It returns what the handler resumes it with.
const refund = tool((details, { toolCall }): string => interrupt({ toolCallId: toolCall?.id, details }), {
  name: 'refund',
  description: 'Refunds an order. A person reviews it and may change it.',
  schema: Refund,
})
const model = new ChatOpenAI({ model: 'gpt-5-mini' }).bindTools([refund])
const callsIn = (message: BaseMessage | undefined) => (AIMessage.isInstance(message) && message.tool_calls) || []
const graph = new StateGraph(MessagesAnnotation)
  .addNode('model', async ({ messages }) => ({ messages: await model.invoke(messages) }))
  .addNode('refund', new ToolNode([refund]))
  .addEdge(START, 'model')
  .addConditionalEdges('model', ({ messages }) => {
    const calls = callsIn(messages.at(-1))
    return calls.length === 0 ? END : calls.map((call) => new Send('refund', { lg_tool_call: call })) // each pauses alone
  })
  .addEdge('refund', 'model')
  .compile({ checkpointer: SqliteSaver.fromConnString('graph.db') })

const Pause = z.object({ id: z.string(), value: z.object({ toolCallId: z.string(), details: Refund }) })

/** The messages of a ticket, and where its graph is paused. */
async function read(ticket: string) {
  const { values, tasks } = await graph.getState({ configurable: { thread_id: ticket } })
  const messages: readonly BaseMessage[] = values.messages ?? []
  return { messages, pauses: tasks.flatMap(({ interrupts }) => interrupts.map((each) => Pause.parse(each))) }
}

await serve({
  async start(ticket, text) {
    const isNew = (await read(ticket)).messages.length === 0
    await graph.invoke(isNew ? { messages: [['user', text]] } : null, { configurable: { thread_id: ticket } })
  },

  async waiting(ticket) {
    return (await read(ticket)).pauses.map(({ value }) => ({ id: value.toolCallId, details: value.details }))
  },

  async resume(decision, run) {
    const { ticket, toolCallId } = decision.context
    const { messages, pauses } = await read(ticket)
    if (!messages.some((message) => callsIn(message).some(({ id }) => id === toolCallId)))
      throw new Error(`ticket ${ticket} has no tool call ${toolCallId}`)
    const pause = pauses.find(({ value }) => value.toolCallId === toolCallId)
    await graph.invoke(
      // No pause: an earlier attempt resumed it, and crashed. Go on from the last checkpoint.
      pause ? new Command({ resume: { [pause.id]: await settle(decision, run) } }) : null,
      { configurable: { thread_id: ticket }, signal: run.signal },
    )
  },
})
