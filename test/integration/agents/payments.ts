import { createServer } from 'node:http'
import { z } from 'zod'
import { listen, readText, type Served } from './http.js'

/** A payment. */
export interface Payment {
  readonly orderId: string
  readonly amount: number
}

/** A payment service: the ledger of effects. One idempotency key is one effect. */
export interface Payments extends Served {
  /** Effects by idempotency key. */
  readonly effects: Map<string, Payment>
  /** Number of calls. */
  calls: number
  /** Awaited between an effect and its response. */
  before: () => Promise<void>
}

const schema = z.object({ orderId: z.string(), amount: z.number() })

export async function startPayments(): Promise<Payments> {
  const server = createServer(async (request, response) => {
    payments.calls++
    const key = z.string().parse(request.headers['idempotency-key'])
    const payment = schema.parse(JSON.parse(await readText(request)))
    if (!payments.effects.has(key)) payments.effects.set(key, payment)
    await payments.before()
    response.end(`r-${payment.orderId}`)
  })
  const payments: Payments = { effects: new Map(), calls: 0, before: async () => {}, ...(await listen(server)) }
  return payments
}
