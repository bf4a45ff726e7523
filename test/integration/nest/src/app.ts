/*
 * A NestJS app on Express. The controller passes the request to the adapter, behind Nest's body parser: the adapter
 * uses the parsed body. Bodies that are not JSON or exceed the parser's limit get Nest's own 400 and 413.
 */
import {
  All,
  Controller,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Param,
  Post,
  Req,
  Res,
} from '@nestjs/common'
import { createReceiver } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: `${process.env['PUBLIC_URL']}/webhooks/cheqpoint`,
  callbackSecret: process.env['CALLBACK_SECRET'],
  onDecision: (decision, run) => console.log(`${decision.status}, key ${run.idempotencyKey}`),
})
const callback = expressCallback(receiver)
type Given = Parameters<typeof callback>

@Controller()
export class CheqpointController {
  @All('webhooks/cheqpoint')
  callback(@Req() request: Given[0], @Res() response: Given[1]) {
    return callback(request, response, () => {})
  }

  @Post('refunds/:order')
  async refund(@Param('order') order: string) {
    const details = { order, amount: 120 }
    const { approvalId } = await receiver.submit({ action: 'refund', summary: `Refund order ${order}`, details })
    return { approvalId }
  }
}

@Module({ controllers: [CheqpointController] })
export class AppModule implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Finds decisions whose callback was lost. */
  onApplicationBootstrap() {
    return receiver.start()
  }

  /** Lets handlers end. Needs `app.enableShutdownHooks()`. */
  onApplicationShutdown() {
    return receiver.close()
  }
}
