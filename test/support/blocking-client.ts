import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Answer, Ask, ClientPlan } from './blocking-client-worker.js'

/**
 * A client of Postgres or Redis that blocks this thread until the server responds, so that a call ends before anything
 * else happens, fake time included. Another thread holds the connection to the real server.
 */
export function blockingClient(plan: ClientPlan): (ask: Ask) => unknown {
  const { port1, port2 } = new MessageChannel()
  const answered = new Int32Array(new SharedArrayBuffer(4))
  // The build output: a thread cannot run TypeScript.
  const worker = new Worker(`./${process.env['CHEQPOINT_DIST'] ?? 'dist'}/test/support/blocking-client-worker.js`, {
    workerData: { plan, answered, port: port2 },
    transferList: [port2],
    execArgv: [],
  })
  worker.unref()
  return (ask) => {
    Atomics.store(answered, 0, 0)
    port1.postMessage(ask)
    // A late wake-up may belong to the previous response.
    while (Atomics.load(answered, 0) === 0) Atomics.wait(answered, 0, 0)
    // The worker sends only this type.
    const { value, failure }: Answer = Object(receiveMessageOnPort(port1)).message
    if (failure !== undefined) throw Object.assign(new Error(failure.message), failure)
    return value
  }
}
