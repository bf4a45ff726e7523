import { createServer, type Server } from 'node:http'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import express from 'express'
import { instrument } from './instrument.js'

/*
 * Traces one successful Express callback with the memory store: the entered files of src/ and adapters/, and how often
 * execution changes file, by calls alone and including returns. Fails above the limits.
 * Use: node dist/test/long/trace/main.js [--build dist] [--steps]
 */

const mostFiles = 24
const mostChanges = 80

const { values } = parseArgs({
  options: { build: { type: 'string', default: 'dist' }, steps: { type: 'boolean', default: false } },
})
const copy = resolve('.tmp/trace')
instrument(resolve(values.build), ['src', 'adapters'], copy)

/** The recorded positions of execution. */
let steps: string[] | null = null
let entered = 0
const note = (file: string): boolean => {
  if (steps === null || steps.at(-1) === file) return false
  steps.push(file)
  return true
}
Object.assign(globalThis, {
  $enter: (file: string): void => {
    if (note(file)) entered++
  },
  $back: (file: string, value: unknown): unknown => {
    note(file)
    return value
  },
})

// The copy has the types of the original.
const load = (file: string): Promise<unknown> => import(pathToFileURL(join(copy, file)).href)
const { createReceiver } = (await load('src/index.js')) as typeof import('cheqpoint-callback')
const { expressCallback } = (await load('adapters/express.js')) as typeof import('cheqpoint-callback/express')

const api = createServer((request, response) => {
  const id = request.url?.split('/').at(-1)
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ id, status: 'APPROVED', decidedAt: new Date().toISOString() }))
})
const receiver = createReceiver({
  apiKey: 'cq_live_trace',
  baseUrl: await listen(api),
  callbackUrl: 'https://callbacks.example.com/hook',
  onEvent() {},
  onDecision() {},
})
const host = createServer(express().post('/hook', expressCallback(receiver)))
const origin = await listen(host)

// The first callback also opens connections and checks the store.
for (const id of ['first', 'second']) {
  const { url, ref } = receiver.callbackUrl()
  await receiver.track(id, { action: 'process_refund', details: { orderId: '8842', amount: 120 }, ref })
  const { pathname, search } = new URL(url)
  const headers = { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' }
  steps = []
  entered = 0
  const response = await fetch(`${origin}${pathname}${search}`, {
    ...{ method: 'POST', headers },
    body: JSON.stringify({ approvalId: id, status: 'approved' }),
  })
  if (response.status !== 200) throw new Error(`answered ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
  // Work after the end of the handler.
  await new Promise(setImmediate)
}
const trace: readonly string[] = steps ?? []
steps = null
await receiver.close()
for (const server of [host, api]) server.close().closeAllConnections()

const times = new Map<string, number>()
for (const file of trace) times.set(file, (times.get(file) ?? 0) + 1)
if (values.steps) console.log(`${trace.join('\n')}\n`)
for (const [file, count] of [...times].sort(([, a], [, b]) => b - a))
  console.log(`${String(count).padStart(4)}  ${file}`)
const changes = Math.max(0, trace.length - 1)
console.log(`\n${times.size} files entered, at most ${mostFiles}; ${entered} calls into another file`)
console.log(`${changes} changes of file, returns included; at most ${mostChanges}`)
if (times.size > mostFiles || changes > mostChanges) process.exitCode = 1

function listen(server: Server): Promise<string> {
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('the server has no port')
      done(`http://127.0.0.1:${address.port}`)
    })
  })
}
