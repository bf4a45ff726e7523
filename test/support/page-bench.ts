// The built package: the client of the page exists only after the build.
import { createSimulator, type Simulator } from 'cheqpoint-callback/simulator'
import express from 'express'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { expressCallback } from '../../adapters/express.js'
import { createReceiver, type Decision, type TypedReceiver } from '../../src/index.js'
import { openPage, type WatchedPage } from './chromium.js'
import { listenTo, path } from './hosts.js'

/** A simulator with its page, and an app with a receiver for its callbacks. */
export interface PageBench {
  readonly simulator: Simulator
  readonly url: string
  readonly receiver: TypedReceiver
  /** What the app's handler was given, in order. */
  readonly runs: readonly Decision[]
  /** Submits a refund through the receiver; gives its id. */
  submit(amount?: number, summary?: string): Promise<string>
  /** The simulator's page, live. */
  open(options?: BrowserContextOptions, hash?: string): Promise<Page>
  /** Every page that was opened. */
  readonly pages: readonly WatchedPage[]
  close(): Promise<void>
}

export const apiKey = 'cq_live_local'

export interface PageBenchOptions {
  /** When the sweep first polls; by default so late that only callbacks have an effect. */
  readonly firstPollMs?: number
}

export async function openPageBench(browser: Browser, options: PageBenchOptions = {}): Promise<PageBench> {
  const { firstPollMs = 60_000 } = options
  const simulator = await createSimulator({ apiKey })
  const { url } = await simulator.listen()
  const app = express()
  const host = await listenTo(app)
  const runs: Decision[] = []
  const pages: WatchedPage[] = []
  const receiver = createReceiver({
    apiKey,
    baseUrl: url,
    callbackUrl: `http://127.0.0.1:${host.port}${path}`,
    callbackSecret: 'a secret of the page tests',
    polling: { firstMs: firstPollMs, maxMs: firstPollMs },
    confirm: { minIntervalMs: 50 },
    onDecision: (decision: Decision) => void runs.push(decision),
  })
  app.post(path, expressCallback(receiver))
  await receiver.start()
  return {
    simulator,
    url,
    receiver,
    runs,
    pages,
    async submit(amount = 120, summary = `Refund $${amount} for order #8842`) {
      const details = { orderId: '8842', amount, currency: 'USD' }
      return (await receiver.submit({ action: 'process_refund', summary, details })).approvalId
    },
    async open(context, hash = '') {
      const watched = await openPage(browser, context)
      pages.push(watched)
      await watched.page.goto(`${url}/${hash}`)
      await watched.page.getByText('Live', { exact: true }).waitFor()
      return watched.page
    },
    async close() {
      for (const { page } of pages) await page.context().close()
      await receiver.close({ drainMs: 0 })
      await host.close()
      await simulator.close()
    },
  }
}
