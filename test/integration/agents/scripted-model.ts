import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { z } from 'zod'
import { listen, readText, type Served } from './http.js'

/** One call of the model. */
export interface ModelTurn {
  /** The customer's message. */
  readonly asked: string
  /** The results of the tool calls so far. */
  readonly told: readonly string[]
  /** Whether the agent got the response. */
  delivered: boolean
}

/** A server with the API of OpenAI that follows a script and records its calls. */
export interface ScriptedModel extends Served {
  readonly turns: ModelTurn[]
  /** Awaited before each response. */
  before: (turn: ModelTurn) => Promise<void>
}

const text = z.union([z.string(), z.array(z.object({ text: z.string() })).transform((parts) => parts[0]?.text ?? '')])
const user = z.object({ role: z.literal('user'), content: text })
const bodySchema = z.union([
  z.object({ messages: z.array(z.unknown()) }).transform(({ messages }) => messages),
  z.object({ input: z.array(z.unknown()) }).transform(({ input }) => input),
])
const toolResult = z.union([
  z.object({ role: z.literal('tool'), content: text }).transform(({ content }) => content),
  z.object({ type: z.literal('function_call_output'), output: text }).transform(({ output }) => output),
])

/**
 * Starts the server. Its script: each "$120 for order 8842" of the customer becomes a tool call with a new id, as with
 * a real model; after all results it ends with a text.
 */
export async function startScriptedModel(): Promise<ScriptedModel> {
  const turns: ModelTurn[] = []
  const server = createServer(async (request, response) => {
    const items = bodySchema.parse(JSON.parse(await readText(request)))
    const asked = items.map((item) => user.safeParse(item).data?.content).find((each) => each !== undefined) ?? ''
    const told = items.map((item) => toolResult.safeParse(item).data).filter((each) => each !== undefined)
    const turn: ModelTurn = { asked, told, delivered: false }
    turns.push(turn)
    response.on('finish', () => {
      turn.delivered = true
    })
    await model.before(turn)
    const refunds = told.length > 0 ? [] : [...asked.matchAll(/\$(\d+) for order (\w+)/g)]
    const wanted = refunds.map(([, amount, orderId]) => ({
      id: `call_${randomUUID()}`,
      args: JSON.stringify({ orderId, amount: Number(amount) }),
    }))
    const body = request.url?.endsWith('/responses') ? asResponse(wanted, told) : asCompletion(wanted, told)
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(body))
  })
  const model: ScriptedModel = { turns, before: async () => {}, ...(await listen(server)) }
  return model
}

interface Call {
  readonly id: string
  readonly args: string
}

/** In the format of the Responses API. */
function asResponse(calls: readonly Call[], told: readonly string[]): object {
  const output = calls.map(({ id, args }) => ({
    ...{ type: 'function_call', id: `fc_${id}`, call_id: id, name: 'refund', arguments: args, status: 'completed' },
  }))
  const content = [{ type: 'output_text', text: lastWords(told), annotations: [] }]
  const message = { type: 'message', id: `msg_${randomUUID()}`, role: 'assistant', status: 'completed', content }
  return {
    ...{ id: `resp_${randomUUID()}`, object: 'response', created_at: 1, model: 'gpt-5-mini', status: 'completed' },
    output: calls.length > 0 ? output : [message],
    usage: {
      ...{ input_tokens: 1, output_tokens: 1, total_tokens: 2 },
      ...{ input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } },
    },
  }
}

/** In the format of the Chat Completions API. */
function asCompletion(calls: readonly Call[], told: readonly string[]): object {
  const tool_calls = calls.map(({ id, args }) => ({
    ...{ id, type: 'function', function: { name: 'refund', arguments: args } },
  }))
  const message = calls.length > 0 ? { content: null, tool_calls } : { content: lastWords(told) }
  const choice = { index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  return { id: randomUUID(), object: 'chat.completion', created: 1, model: 'gpt-5-mini', choices: [choice], usage }
}

function lastWords(told: readonly string[]): string {
  return `Done: ${told.join(' ')}`
}
