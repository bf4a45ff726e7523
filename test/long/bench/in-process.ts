import type { ReceiverOptions } from 'cheqpoint-callback'
import { type Batched, serveBatches } from './batches.js'
import { recipe } from './by-hand.js'
import { action } from './contenders.js'
import { approved, bodyOf, callbackOf, instantApi } from './offline.js'
import { importFrom } from './other-build.js'

/*
 * `handle()` without HTTP and without a network: `in-process.js PACKAGE|by-hand COUNT [SPANS]`, where PACKAGE is the
 * folder of another build of this library, `ours` for this one, COUNT the size of a batch, and SPANS shows `all` of them
 * or `none`, measured either way. The figures are processor time and bytes allocated for one callback.
 */
const [who = 'ours', count = '4000', spans] = process.argv.slice(2)

async function build(folder: string): Promise<Batched> {
  const { createReceiver } = folder === 'ours' ? await import('cheqpoint-callback') : await importFrom(folder, '.')
  const receiver = createReceiver({
    apiKey: 'cq_live_bench',
    dispatcher: instantApi,
    onEvent() {},
    ...(spans === undefined ? {} : { telemetry: await telemetryTo(spans) }),
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
    onDecision() {},
  })
  return {
    async prepare(from, size) {
      for (let at = from; at < from + size; at++) await receiver.track(`c_${at}`, action)
    },
    async take(at) {
      const { status } = await receiver.handle(callbackOf(`c_${at}`))
      if (status !== 200) throw new Error(`answered ${status}`)
    },
  }
}

/** Telemetry of a whole SDK, up to an exporter that throws everything away. */
async function telemetryTo(which: string): Promise<ReceiverOptions['telemetry']> {
  const { telemetry } = await import('cheqpoint-callback/opentelemetry')
  const sdk = await import('@opentelemetry/sdk-trace-node')
  const { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } = await import(
    '@opentelemetry/sdk-metrics'
  )
  const exporter = {
    export: (_: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: async () => {},
  }
  const sampler = which === 'all' ? new sdk.AlwaysOnSampler() : new sdk.AlwaysOffSampler()
  new sdk.NodeTracerProvider({ sampler, spanProcessors: [new sdk.BatchSpanProcessor(exporter)] }).register()
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.DELTA),
  })
  return telemetry({ meterProvider: new MeterProvider({ readers: [reader] }) })
}

function byHand(): Batched {
  const decide = recipe(async (id) => JSON.parse(approved(id)) as { status: string }, 200_000)
  const take = async (at: number): Promise<unknown> => {
    const { approvalId } = JSON.parse(Buffer.from(bodyOf(`c_${at}`)).toString()) as { approvalId: string }
    return decide(approvalId)
  }
  return { prepare: async () => {}, take }
}

await serveBatches(who === 'by-hand' ? byHand() : await build(who), Number(count))
