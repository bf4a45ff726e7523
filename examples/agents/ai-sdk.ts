/*
 * AI SDK 6: `generateText` returns when a tool `needsApproval`. The handler adds the approval response to the messages, and
 * calls it again. The messages are kept in a file, so that another process can go on after a crash.
 */
import { openai } from '@ai-sdk/openai'
import { generateText, type ModelMessage, stepCountIs, tool } from 'ai'
import { serve } from './app.js'
import { openConversations } from './conversations.js'
import { Refund, settle } from './refunds.js'

interface Conversation {
  readonly messages: ModelMessage[]
  /** By tool call: what was decided, and what became of it. */
  readonly answers: Readonly<Record<string, { readonly approved: boolean; readonly reason: string }>>
}
const conversations = openConversations<Conversation>('conversations.db')
const empty: Conversation = { messages: [], answers: {} }

/** Calls the model until it ends or waits for approval. */
async function proceed(ticket: string, { messages, answers }: Conversation, abortSignal: AbortSignal): Promise<void> {
  const refund = tool({
    description: 'Refunds an order. A person reviews it and may change it.',
    inputSchema: Refund,
    needsApproval: true,
    // Does not pay: its input is what the model wanted, without the edit.
    execute: (_input, { toolCallId }) => answers[toolCallId]?.reason,
  })
  const model = openai('gpt-5-mini')
  const { response } = await generateText({ model, tools: { refund }, stopWhen: stepCountIs(9), messages, abortSignal })
  conversations.save(ticket, { messages: [...messages, ...response.messages], answers })
}

/** The tool calls in these messages that need approval. */
function requestsIn(messages: readonly ModelMessage[]) {
  return messages.flatMap(({ role, content }) => {
    if (role !== 'assistant' || typeof content === 'string') return []
    const inputs = Object.fromEntries(
      content.map((each) => (each.type === 'tool-call' ? [each.toolCallId, each.input] : [])),
    )
    return content
      .filter((each) => each.type === 'tool-approval-request')
      .map(({ toolCallId: id, approvalId }) => ({ id, approvalId, details: Refund.parse(inputs[id]) }))
  })
}

await serve({
  async start(ticket, text) {
    if (conversations.load(ticket) !== undefined) return
    await proceed(ticket, { messages: [{ role: 'user', content: text }], answers: {} }, AbortSignal.timeout(120_000))
  },

  async waiting(ticket) {
    const { messages, answers } = conversations.load(ticket) ?? empty
    return requestsIn(messages.slice(-1)).filter(({ id }) => answers[id] === undefined)
  },

  async resume(decision, run) {
    const { ticket, toolCallId } = decision.context
    const { messages, answers: before } = conversations.load(ticket) ?? empty
    if (!requestsIn(messages).some(({ id }) => id === toolCallId))
      throw new Error(`ticket ${ticket} has no tool call ${toolCallId}`)
    const answer = before[toolCallId] ?? {
      approved: decision.status === 'approved',
      reason: await settle(decision, run),
    }
    const answers = { ...before, [toolCallId]: answer }
    conversations.save(ticket, { messages, answers })
    const open = requestsIn(messages.slice(-1)) // none if an earlier attempt went on, and crashed
    const responses = open.flatMap(({ id, approvalId }) => {
      const given = answers[id]
      return given ? [{ type: 'tool-approval-response' as const, approvalId, ...given }] : []
    })
    if (open.length === 0 || responses.length < open.length) return // the model needs all of them
    await proceed(ticket, { messages: [...messages, { role: 'tool', content: responses }], answers }, run.signal)
  },
})
