import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Callback } from 'cheqpoint-callback'
import type { Dispatcher } from 'undici'
import { agent, recipe } from './by-hand.js'
import { action } from './contenders.js'

/*
 * `handle()` without HTTP and without a network: `in-process.js BUILD|by-hand COUNT`, where BUILD is the folder of a
 * build of this library, `ours` for this one. Prints the processor time and the
 * bytes allocated for one callback. Run with a young generation that holds everything, so that nothing is collected
 * between two looks at the heap: see `handle.ts`.
 */
const [who = 'ours', given = '4000'] = process.argv.slice(2)
const count = Number(given)

const text = (id: string): string =>
  `{"id":"${id}","status":"APPROVED","modifiedDetails":null,"decisionNote":"Fine.","decidedAt":"2026-11-20T09:00:00.000Z"}`

/** An upstream that answers in the next microtask. */
const dispatcher = {
  dispatch({ path }: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const bytes = Buffer.from(text(path.slice(path.lastIndexOf('/') + 1)))
    // The library uses nothing of a controller but `abort`, and that not here.
    const controller = { abort() {} } as unknown as Dispatcher.DispatchController
    queueMicrotask(() => {
      handler.onRequestStart?.(controller, {})
      handler.onResponseStart?.(controller, 200, { 'content-length': String(bytes.length) }, 'OK')
      handler.onResponseData?.(controller, bytes)
      handler.onResponseEnd?.(controller, {})
    })
    return true
  },
}

const headers: Readonly<Record<string, readonly string[]>> = {
  'user-agent': [agent],
  'content-type': ['application/json'],
  'content-length': ['90'],
}
const whole = async (at: number): Promise<ArrayBuffer> => new TextEncoder().encode(bodyOf(at)).buffer
const bodyOf = (at: number): string =>
  `{"approvalId":"c_${at}","status":"approved","modifiedDetails":null,"decisionNote":"Fine."}`

async function handleOf(build: string): Promise<(at: number) => Promise<unknown>> {
  const index = build === 'ours' ? 'cheqpoint-callback' : pathToFileURL(resolve(build, 'src/index.js')).href
  // Another build has the same face, as far as it is used here.
  const { createReceiver } = (await import(index)) as typeof import('cheqpoint-callback')
  const receiver = createReceiver({
    apiKey: 'cq_live_bench',
    // As far as the library uses one.
    dispatcher: dispatcher as unknown as Dispatcher,
    onEvent() {},
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
    onDecision() {},
  })
  for (let at = 0; at < 2 * count; at++) await receiver.track(`c_${at}`, action)
  return async (at) => {
    const callback: Callback = {
      method: 'POST',
      url: '/hook',
      header: (name) => headers[name] ?? [],
      body: { stream: null, whole: () => whole(at) },
    }
    const { status } = await receiver.handle(callback)
    if (status !== 200) throw new Error(`answered ${status}`)
  }
}

function handHandle(): (at: number) => Promise<unknown> {
  const decide = recipe(async (id) => JSON.parse(text(id)) as { status: string }, 2 * count)
  return async (at) => {
    const { approvalId } = JSON.parse(Buffer.from(await whole(at)).toString()) as { approvalId: string }
    return decide(approvalId)
  }
}

const handle = who === 'by-hand' ? handHandle() : await handleOf(who)

async function run(from: number): Promise<void> {
  let next = from
  const worker = async (): Promise<void> => {
    while (next < from + count) await handle(next++)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}

await run(0)
globalThis.gc?.()
const heap = process.memoryUsage().heapUsed
const cpu = process.cpuUsage()
await run(count)
const { user, system } = process.cpuUsage(cpu)
console.log(JSON.stringify({ cpuUs: (user + system) / count, bytes: (process.memoryUsage().heapUsed - heap) / count }))
