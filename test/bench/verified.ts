import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { contenders } from './contenders.js'

/*
 * Verified callbacks per second, side by side: each contender in a process of its own, in turns, against one upstream,
 * each callback for another approval. Prints medians and ratios; absolute figures mean nothing on another machine.
 * Use: node dist/test/bench/verified.js [rounds] [callbacks per round]
 */
const rounds = Number(process.argv[2] ?? 5)
const count = Number(process.argv[3] ?? 10_000)
const concurrency = 32

async function startProcess(
  file: string,
  args: readonly string[],
): Promise<{ readonly process: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = await once(createInterface({ input: child.stdout }), 'line')
  return { process: child, url: `http://127.0.0.1:${port}` }
}

/** Callbacks per second that a contender answered with 200. */
async function measure(name: string, upstream: string): Promise<number> {
  const app = await startProcess('./app.js', [name, upstream, String(count)])
  const pool = new Pool(app.url, { connections: concurrency })
  const headers = { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' }
  let next = 0
  const post = async (id: number): Promise<void> => {
    const body = `{"approvalId":"c_${id}","status":"approved","modifiedDetails":null,"decisionNote":"Fine."}`
    const { statusCode, body: answer } = await pool.request({ path: '/hook', method: 'POST', headers, body })
    await answer.dump()
    if (statusCode !== 200) throw new Error(`${name} answered ${statusCode}`)
  }
  const work = async (until: number): Promise<void> => {
    while (next < until) await post(next++)
  }
  const warmup = Math.floor(count / 5)
  await Promise.all(Array.from({ length: concurrency }, () => work(warmup)))
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: concurrency }, () => work(count)))
  const seconds = (performance.now() - startedAt) / 1000
  await pool.close()
  app.process.kill()
  return (count - warmup) / seconds
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const upstream = await startProcess('./upstream.js', [])
const figures = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, values] of figures) values.push(await measure(name, upstream.url))
}
upstream.process.kill()

const rate = (name: string): number => median(figures.get(name) ?? [])
console.log(`medians of ${rounds} rounds of ${count} callbacks, ${concurrency} at a time\n`)
for (const host of ['hono', 'express']) {
  for (const name of ['ours', 'by-hand', 'limit']) {
    console.log(`${`${host}/${name}`.padEnd(16)} ${rate(`${host}/${name}`).toFixed(0).padStart(7)} callbacks/s`)
  }
  const ours = rate(`${host}/ours`)
  console.log(
    `  ours / by hand ${(ours / rate(`${host}/by-hand`)).toFixed(2)}, ours / limit ${(ours / rate(`${host}/limit`)).toFixed(2)}\n`,
  )
}
