import { createReceiver } from 'cheqpoint-callback'

export const receiver = createReceiver({
  apiKey: process.env.CHEQPOINT_CONNECTION_KEY,
  baseUrl: process.env.CHEQPOINT_BASE_URL,
  callbackUrl: `${process.env.PUBLIC_URL}/webhooks/cheqpoint`,
  callbackSecret: process.env.CALLBACK_SECRET,
  onDecision: (decision, run) => console.log(`${decision.status}, key ${run.idempotencyKey}`),
})
