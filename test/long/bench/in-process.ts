import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ReceiverOptions } from 'cheqpoint-callback'
import { recipe } from './by-hand.js'
import { action } from './contenders.js'
import { approved, bodyOf, callbackOf, instantApi } from './offline.js'

/*
 * `handle()` without HTTP and without a network: `in-process.js BUILD|by-hand COUNT [SPANS]`, where BUILD is the folder of a
 * build of this library, `ours` for this one, COUNT the size of a batch, and SPANS shows `all` of them or `none`, measured
 * either way. Prints the processor time and the
 * bytes allocated for one callback. Run with a young generation that holds everything, so that nothing is collected
 * between two looks at the heap: see `handle.ts`.
 */
const [who = 'ours', given = '4000', spans] = process.argv.slice(2)
const count = Number(given)
/** Batches before the figures are taken: the engine has compiled what it will after 20,000 callbacks. */
const warmUps = 5
/** Batches whose figures are taken. */
const batches = 4

/** How one callback is taken, and what is submitted before a batch of them. */
interface Contender {
  readonly track: (from: number) => Promise<void>
  readonly handle: (at: number) => Promise<unknown>
}

async function build(folder: string): Promise<Contender> {
  const index = folder === 'ours' ? 'cheqpoint-callback' : pathToFileURL(resolve(folder, 'src/index.js')).href
  // Another build has the same face, as far as it is used here.
  const { createReceiver } = (await import(index)) as typeof import('cheqpoint-callback')
  const receiver = createReceiver({
    apiKey: 'cq_live_bench',
    dispatcher: instantApi,
    onEvent() {},
    ...(spans === undefined ? {} : { telemetry: await telemetryTo(spans) }),
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
    onDecision() {},
  })
  const track = async (from: number): Promise<void> => {
    for (let at = from; at < from + count; at++) await receiver.track(`c_${at}`, action)
  }
  const handle = async (at: number): Promise<void> => {
    const { status } = await receiver.handle(callbackOf(`c_${at}`))
    if (status !== 200) throw new Error(`answered ${status}`)
  }
  return { track, handle }
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

function byHand(): Contender {
  const decide = recipe(async (id) => JSON.parse(approved(id)) as { status: string }, (warmUps + batches) * count)
  const handle = async (at: number): Promise<unknown> => {
    const { approvalId } = JSON.parse(Buffer.from(bodyOf(`c_${at}`)).toString()) as { approvalId: string }
    return decide(approvalId)
  }
  return { track: async () => {}, handle }
}

const { track, handle } = who === 'by-hand' ? byHand() : await build(who)

const spent = { cpuUs: 0, bytes: 0 }
for (let batch = 0; batch < warmUps + batches; batch++) {
  let next = batch * count
  const end = next + count
  await track(next)
  globalThis.gc?.()
  const heap = process.memoryUsage().heapUsed
  const cpu = process.cpuUsage()
  const worker = async (): Promise<void> => {
    while (next < end) await handle(next++)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  if (batch < warmUps) continue
  const { user, system } = process.cpuUsage(cpu)
  spent.cpuUs += user + system
  spent.bytes += process.memoryUsage().heapUsed - heap
}
console.log(JSON.stringify({ cpuUs: spent.cpuUs / batches / count, bytes: spent.bytes / batches / count }))
