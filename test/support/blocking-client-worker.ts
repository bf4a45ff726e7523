import { type MessagePort, workerData } from 'node:worker_threads'
import pg from 'pg'
import { createClient } from 'redis'

/** The server of a thread. */
export interface ClientPlan {
  readonly kind: 'postgres' | 'redis'
  readonly url: string
}
/** A statement with its values, or a command of Redis. */
export type Ask = readonly [text: string, ...values: unknown[]]
/** Its result or error. */
export interface Answer {
  readonly value?: unknown
  readonly failure?: { readonly message: string; readonly code?: string | undefined }
}

/*
 * The thread of a blocking client: it runs one call at a time, and then wakes the waiting thread.
 */

interface Start {
  readonly plan: ClientPlan
  readonly answered: Int32Array
  readonly port: MessagePort
}

// Set by blockingClient.
const { plan, answered, port } = workerData as Start
const send = plan.kind === 'postgres' ? postgres(plan.url) : redis(plan.url)

port.on('message', async (ask: Ask) => {
  port.postMessage(await answer(ask))
  Atomics.store(answered, 0, 1)
  Atomics.notify(answered, 0)
})

async function answer(ask: Ask): Promise<Answer> {
  try {
    return { value: await (await send)(ask) }
  } catch (error) {
    const { message, code }: { message?: string; code?: string } = Object(error)
    return { failure: { message: String(message), code } }
  }
}

async function postgres(url: string): Promise<(ask: Ask) => Promise<unknown>> {
  const client = new pg.Client(url)
  // The server stops after the tests.
  client.on('error', () => {})
  await client.connect()
  return async ([text, ...values]) => (await client.query(text, values)).rows
}

async function redis(url: string): Promise<(ask: Ask) => Promise<unknown>> {
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  return (command) => client.sendCommand(command.map(String))
}
