import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Answer, Ask, ClientPlan } from './blocking-client-worker.js'

/**
 * A client of Postgres or Redis that blocks this thread until the server answers, so that a call is done before anything
 * else happens, fake time included. What it talks to is a real server, over a connection of another thread.
 */
export function blockingClient(plan: ClientPlan): (ask: Ask) => unknown {
  const { port1, port2 } = new MessageChannel()
  const answered = new Int32Array(new SharedArrayBuffer(4))
  // Built with the rest: a thread runs no TypeScript.
  const worker = new Worker(`./${process.env['CHEQPOINT_DIST'] ?? 'dist'}/test/support/blocking-client-worker.js`, {
    workerData: { plan, answered, port: port2 },
    transferList: [port2],
    execArgv: [],
  })
  worker.unref()
  return (ask) => {
    Atomics.store(answered, 0, 0)
    port1.postMessage(ask)
    // A wake-up that comes late may be that of the answer before.
    while (Atomics.load(answered, 0) === 0) Atomics.wait(answered, 0, 0)
    // The worker sends nothing else.
    const { value, failure }: Answer = Object(receiveMessageOnPort(port1)).message
    if (failure !== undefined) throw Object.assign(new Error(failure.message), failure)
    return value
  }
}
