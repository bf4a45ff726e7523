/*
 * One trace across the human, printed by the console exporters of OpenTelemetry: a process submits, a person decides, and
 * another process, which never got the callback, finds the decision. Its handler fails once. They share one SQLite file.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/opentelemetry.js app.db              submits, and prints an id
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/opentelemetry.js app.db APPROVAL_ID  finds the decision
 */
import { metrics, trace } from '@opentelemetry/api'
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { ConsoleSpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { createReceiver } from 'cheqpoint-callback'
import { telemetry } from 'cheqpoint-callback/opentelemetry'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import Database from 'libsql'

const [file = 'app.db', approvalId] = process.argv.slice(2)

// What the SDK for Node.js sets up by itself. It comes first: metrics go to the provider that is there by then.
const traces = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] })
const reader = new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })
const figures = new MeterProvider({ readers: [reader] })
traces.register()
metrics.setGlobalMeterProvider(figures)

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: 'http://127.0.0.1:9/nobody/listens',
  store: sqliteStore(new Database(file)),
  polling: { firstMs: 1_000 },
  runs: { backoffMs: [100, 1_000] },
  log: false,
  telemetry: telemetry(),
  async onDecision(_, { attempt }) {
    // A span of your own belongs to the run.
    await trace.getTracer('app').startActiveSpan('charge card', async (span) => span.end())
    if (attempt === 1) throw new Error('the bank does not answer')
  },
})

if (approvalId === undefined) {
  const details = { orderId: '8842', amount: 120 }
  const submission = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
  console.log(`submitted ${submission.approvalId}`)
} else {
  await receiver.start()
  await receiver.wait(approvalId)
  await figures.forceFlush() // what waits in the store is asked for while the receiver is open
}
await receiver.close()
await traces.shutdown()
