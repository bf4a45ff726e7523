import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { readLog } from '../../support/log.js'
import type { BodiesAttackerPlan, BodiesReceiverPlan } from './bodies-messages.js'
import { list } from './figures.js'
import type { CheqpointPlan, ReviewerPlan } from './messages.js'
import { Peer } from './peer.js'

/*
 * Measures how many genuine callbacks a receiver refuses while attackers send heads without bodies, or copies of one
 * callback. Without a secret, genuine callbacks cannot be distinguished before they are read. Exits with 1 if 1 % or
 * more is refused. Accepts any build, so that editions can be compared.
 * Use: node dist/test/long/load/bodies.js [--build /path/to/dist] [--only sockets-1000,streams] [--seconds 10]
 */
const { values } = parseArgs({
  options: {
    build: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    genuine: { type: 'string', default: '300' },
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

type Attack = Pick<BodiesAttackerPlan, 'way' | 'count'> & Pick<BodiesReceiverPlan, 'storeMs'>
const attacks: Readonly<Record<string, Attack | null>> = {
  none: null,
  'sockets-1000': { way: 'sockets', count: 1_000, storeMs: 0 },
  'sockets-2500': { way: 'sockets', count: 2_500, storeMs: 0 },
  // Copies only accumulate with a slow store.
  pipelined: { way: 'pipelined', count: 1, storeMs: 20 },
  'streams-1000': { way: 'streams', count: 1_000, storeMs: 0 },
}
const seconds = Number(values.seconds)
const genuine = Number(values.genuine)
const folder = '.tmp/load/bodies'
const build = values.build === undefined ? new URL('../../..', import.meta.url) : pathToFileURL(resolve(values.build))

for (const [name, attack] of Object.entries(attacks)) {
  if (values.only !== undefined && !values.only.split(',').includes(name)) continue
  const refused = await measure(name, attack)
  if (refused >= genuine / 100) process.exitCode = 1
}
rmSync(folder, { recursive: true, force: true })

/** Prints the figures of one attack. Resolves with the number of refused genuine callbacks. */
async function measure(name: string, attack: Attack | null): Promise<number> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const peers: Peer[] = []
  const start = (file: string, plan: object): Peer => {
    const peer = new Peer(new URL(file, import.meta.url), plan)
    peers.push(peer)
    return peer
  }
  try {
    const plan: CheqpointPlan = { log: join(folder, 'cheqpoint.log'), seed: 1 }
    const cheqpoint = start('./cheqpoint.js', plan)
    const { port: cheqpointPort } = await cheqpoint.hear('listening')
    const receiverPlan: BodiesReceiverPlan = {
      build: build.href.replace(/\/$/, ''),
      cheqpointPort,
      genuine,
      storeMs: attack?.storeMs ?? 0,
    }
    const receiver = start('./bodies-receiver.js', receiverPlan)
    const { port, path, paths } = await receiver.hear('mounted')
    const log = join(folder, 'reviewer.log')
    const reviewer = start('./reviewer.js', {
      ...{ log, seed: 1, port, cheqpointPort, paths: Array.from({ length: genuine }, () => path) },
      withinMs: seconds * 1_000,
    } satisfies ReviewerPlan)
    await reviewer.hear('ready')
    await receiver.ask({ kind: 'watch' }, 'watching')
    let attacker: Peer | undefined
    if (attack !== null) {
      attacker = start('./bodies-attacker.js', {
        ...{ way: attack.way, count: attack.count, path, againMs: 1_000, seconds: seconds + 2 },
        port: attack.way === 'streams' ? Number(paths[0]) : port,
      } satisfies BodiesAttackerPlan)
      await attacker.hear('ready')
    }
    const attacked = attacker?.ask({ kind: 'go' }, 'done')
    // The attack starts before the first genuine callback.
    if (attack !== null) await sleep(1_500)
    await reviewer.ask({ kind: 'go' }, 'done')
    const { peak, delayMs, cpuSeconds } = await receiver.ask({ kind: 'report' }, 'seen')
    const sent = (await attacked)?.sent ?? 0
    const answers = readLog(log).map(({ at, words: [, , status, word, sentAt] }) => ({
      word: `${status} ${word}`,
      isRefused: !/^20[02]$/.test(status ?? ''),
      ms: at - Number(sentAt),
    }))
    const refused = answers.filter(({ isRefused }) => isRefused).length
    const times = answers.map(({ ms }) => ms).sort((a, b) => a - b)
    const counts: Record<string, number> = {}
    for (const { word } of answers) counts[word] = (counts[word] ?? 0) + 1
    const share = ((100 * refused) / genuine).toFixed(1)
    console.log(
      `${name}: ${refused} of ${genuine} genuine refused (${share} %), p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms; ${list(counts)}; ${sent} sent; event loop p99 ${delayMs.p99.toFixed(0)} ms, processor ${cpuSeconds.toFixed(1)} s, heap ${Math.round(peak.heapBytes / 1e6)} MB, RSS ${Math.round(peak.rssBytes / 1e6)} MB`,
    )
    return refused
  } finally {
    for (const peer of peers) peer.kill()
  }
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
