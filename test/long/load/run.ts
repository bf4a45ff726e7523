import { mkdirSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLog } from '../../support/log.js'
import type { Attack, Size } from './attacks.js'
import { type Figures, figuresOf } from './figures.js'
import type { CheqpointPlan, Footprint, HostName, ReceiverPlan, ReviewerPlan, Said } from './messages.js'
import { Peer } from './peer.js'

/** Time for the sweep to find decisions that callbacks did not confirm. */
const drainMs = 180_000
/** Time for a server to notice closed connections. */
const partingMs = 5_000

/** Executes a run and judges it. Keeps its logs if a law was broken. */
export async function perform(attack: Attack, host: HostName, size: Size, seed: number): Promise<Figures> {
  const startedAt = performance.now()
  const folder = join('.tmp/load', `${attack.name}-${host}-${seed}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const logs = {
    ledger: join(folder, 'ledger.log'),
    cheqpoint: join(folder, 'cheqpoint.log'),
    reviewer: join(folder, 'reviewer.log'),
  }
  const peers: Peer[] = []
  const start = (file: string, plan: object, execArgv?: readonly string[]): Peer => {
    const peer = new Peer(new URL(file, import.meta.url), plan, execArgv)
    peers.push(peer)
    return peer
  }
  try {
    const { genuine, seconds } = size
    const { secret } = attack
    // The token of the first one leaked.
    const pending = 1 + (attack.knows === 'many' ? size.known : 1)
    const cheqpoint = start('./cheqpoint.js', { log: logs.cheqpoint, seed } satisfies CheqpointPlan)
    const { port: cheqpointPort } = await cheqpoint.hear('listening')
    const receiverPlan: ReceiverPlan = { host, ledger: logs.ledger, cheqpointPort, secret, genuine, pending }
    const receiver = start('./receiver.js', receiverPlan, ['--expose-gc'])
    const { port, path, paths, leaked } = await receiver.hear('mounted')
    const reviewer = start('./reviewer.js', {
      ...{ log: logs.reviewer, seed, port, cheqpointPort, paths },
      withinMs: seconds * 1_000,
    } satisfies ReviewerPlan)
    const attackers = attack.assaults.map((assault, at) =>
      start('./attacker.js', assault({ seed: seed + at, port, seconds, path, leaked, secret }, size)),
    )
    for (const peer of [reviewer, ...attackers]) await peer.hear('ready')
    const { footprint: before } = await receiver.ask({ kind: 'measure' }, 'measured')
    for (const peer of [receiver, cheqpoint]) await peer.ask({ kind: 'watch' }, 'watching')

    const alarm = aliveOr(receiver)
    const work = [...attackers, reviewer].map((peer) => peer.ask({ kind: 'go' }, 'done'))
    const done = await Promise.race([Promise.all(work), alarm.rang])
    const [load = 0] = loadavg()
    const seen = await look(receiver, before)
    await Promise.race([drained(logs.ledger, genuine), alarm.rang])
    const stalls = [await look(receiver, before), await look(cheqpoint, before)]
    const after = receiver.exit === null ? await partings(receiver) : before
    alarm.disarm()

    const assaults = (done ?? []).slice(0, attackers.length)
    const figures = figuresOf({
      ...{ attack, host, size, seed, load },
      sent: assaults.reduce((sum, { sent }) => sum + sent, 0),
      attackSeconds: Math.max(0, ...assaults.map((each) => each.seconds)),
      seconds: (performance.now() - startedAt) / 1_000,
      ...seen,
      evidence: {
        ...{ genuine, before, after, died: receiver.exit },
        ledger: readLog(logs.ledger),
        cheqpoint: readLog(logs.cheqpoint),
        reviewer: readLog(logs.reviewer),
        answers: assaults.flatMap(({ answers }) => answers),
        delays: stalls.map(({ delayMs }) => delayMs),
      },
    })
    if (figures.violations.length === 0) rmSync(folder, { recursive: true, force: true })
    return figures
  } finally {
    for (const peer of peers) peer.kill()
  }
}

type Seen = Pick<Extract<Said, { kind: 'seen' }>, 'peak' | 'delayMs' | 'cpuSeconds'>

/** The measurements of a process; none if it has ended. */
async function look(peer: Peer, before: Footprint): Promise<Seen> {
  if (peer.exit !== null) return { peak: before, delayMs: { p99: 0, max: 0 }, cpuSeconds: 0 }
  const { peak, delayMs, cpuSeconds } = await peer.ask({ kind: 'report' }, 'seen')
  return { peak, delayMs, cpuSeconds }
}

/** `rang` resolves when the process has ended, so that no caller waits for its message. */
function aliveOr(peer: Peer): { readonly rang: Promise<null>; readonly disarm: () => void } {
  let timer: NodeJS.Timeout | undefined
  const rang = new Promise<null>((resolve) => {
    timer = setInterval(() => peer.exit !== null && resolve(null), 100)
  })
  return { rang, disarm: () => clearInterval(timer) }
}

/** Waits until every decision is handled, at most this time; the laws report the others. */
async function drained(ledger: string, genuine: number): Promise<void> {
  const until = performance.now() + drainMs
  while (performance.now() < until) {
    if (new Set(readLog(ledger).map(({ words: [id] }) => id)).size >= genuine) return
    await sleep(50)
  }
}

async function partings(receiver: Peer): Promise<Footprint> {
  const until = performance.now() + partingMs
  for (;;) {
    const { footprint } = await receiver.ask({ kind: 'measure' }, 'measured')
    if (footprint.connections === 0 || performance.now() >= until) return footprint
    await sleep(100)
  }
}
