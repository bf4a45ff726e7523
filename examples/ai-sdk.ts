/*
 * A tool of the AI SDK (https://ai-sdk.dev, package `ai`) that requires approval. The model calls it like any other: it
 * submits, waits, and returns the handler's result, or the reviewer's answer. The model here follows a script, so
 * that this runs without a provider; replace it with yours.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/ai-sdk.js
 */
import { generateText, stepCountIs, tool } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import { createReceiver, isCheqpointError } from 'cheqpoint-callback'
import { z } from 'zod'

const refund = z.object({ orderId: z.string(), amount: z.number().positive() })

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  polling: { firstMs: 1_000, maxMs: 30_000 },
  actions: {
    process_refund: {
      details: refund,
      onDecision(decision, run) {
        if (decision.status !== 'approved') return
        return { refunded: decision.details.amount, receipt: run.idempotencyKey } // your payment service, with this key
      },
    },
  },
})

const refundTool = tool({
  description: 'Refunds an order. A person approves it, and may change the amount.',
  inputSchema: refund,
  async execute(details, { abortSignal }) {
    const summary = `Refund $${details.amount} for order #${details.orderId}`
    try {
      const { approvalId } = await receiver.submit(
        { action: 'process_refund', summary, details },
        { idempotencyKey: `refund ${details.orderId}` }, // a model that calls twice asks a person once
      )
      const { status, note, result } = await receiver.wait(approvalId, { timeoutMs: 600_000, signal: abortSignal })
      return { status, note, result }
    } catch (error) {
      // Undecided, or it needs a person (an edit that fails the schema): for the model to say, and not to repeat.
      if (isCheqpointError(error)) return { status: 'open', reason: error.code }
      throw error
    }
  },
})

/** Calls the tool once, then says what came back. */
const model = new MockLanguageModelV3({
  async doGenerate({ prompt }) {
    const last = prompt.at(-1)
    const [part] = last?.role === 'tool' ? last.content : []
    const output = part?.type === 'tool-result' && part.output.type === 'json' ? part.output.value : null
    const call = { type: 'tool-call', toolCallId: 'call-1', toolName: 'refund' } as const
    const counts = { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0, text: 0, reasoning: 0 }
    return {
      content:
        output === null
          ? [{ ...call, input: JSON.stringify({ orderId: '8842', amount: 120 }) }]
          : [{ type: 'text', text: `The tool said ${JSON.stringify(output)}` }],
      finishReason: { unified: output === null ? 'tool-calls' : 'stop', raw: undefined },
      usage: { inputTokens: counts, outputTokens: counts },
      warnings: [],
    }
  },
})

await receiver.start()
const { text } = await generateText({
  model,
  tools: { refund: refundTool },
  stopWhen: stepCountIs(3),
  prompt: 'Order 8842 arrived broken. Refund it.',
})
console.log(text)
await receiver.close()
