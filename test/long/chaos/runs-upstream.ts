import { setTimeout as sleep } from 'node:timers/promises'
import type { History } from './history.js'
import { livesOf } from './lives.js'
import { calm, type Knobs } from './messages.js'
import type { Run, Verdict } from './run.js'

/*
 * Faults of Cheqpoint and the network: it fails, throttles, loses and repeats callbacks; attackers forge them; and
 * everything is due at once.
 */

/** Budget of each worker, for callbacks and the sweep separately. */
const getsPerSecond = 150

function troubled(name: string, title: string, gets: Partial<Knobs['gets']>): Run {
  const seconds = 20
  return {
    name,
    title,
    size: 5_000,
    worker: { getsPerSecond },
    async act(rig, size) {
      rig.tell({ kind: 'knobs', knobs: { ...calm, gets: { ...calm.gets, ...gets } } })
      const submitting = rig.submit(size, { perSecond: 300 })
      await Promise.all([submitting, sleep((seconds * 1_000 * size) / 5_000)])
      rig.tell({ kind: 'knobs', knobs: calm })
      rig.log.write('over', 'upstream-faults')
      return []
    },
    // Each budget is a token bucket with the tokens of one second.
    judge: (history) => judgePeak(history, 3 * 2 * 2 * getsPerSecond),
  }
}

function delivered(name: string, title: string, knobs: Partial<Knobs>): Run {
  return {
    name,
    title,
    size: 2_000,
    workers: 2,
    knobs,
    async act(rig, size) {
      await rig.submit(size, { perSecond: 250 })
      return []
    },
  }
}

const { callbacks } = calm

/** Many forged callbacks without a token for pending approvals, mixed with genuine ones with their token. */
function spoofed(name: string, targets: number, secret: boolean): Run {
  const genuine = 100
  return {
    name,
    title: `forged callbacks for ${targets} pending, tokens ${secret ? 'required' : 'optional'}`,
    size: 50_000,
    knobs: { decideMs: null },
    worker: { secret, getsPerSecond: 50, minIntervalMs: 2_000, firstMs: 15_000, maxMs: 60_000, throws: 0 },
    async act(rig, size) {
      const victims = await rig.submit(targets)
      const others = await rig.submit(genuine, { from: 100_000 })
      rig.log.write('storm')
      rig.tell({ kind: 'spoof', ids: victims, count: size, guesses: true })
      for (const id of others) {
        await sleep(100)
        rig.tell({ kind: 'decide', ids: [id] })
      }
      await rig.callbacksAnswered()
      rig.log.write('calm')
      rig.tell({ kind: 'decide' })
      return []
    },
    judge: (history) => judgeStorm(history, targets),
  }
}

function judgeStorm(history: History, targets: number): Verdict {
  const from = history.driver.find(({ kind }) => kind === 'storm')?.at ?? 0
  const to = history.driver.find(({ kind }) => kind === 'calm')?.at ?? 0
  const gets = history.upstream.filter(({ kind, at }) => kind === 'get' && at >= from && at <= to).length
  const seconds = (to - from) / 1_000
  // One GET per approval in two seconds, and 50 per second by each of three workers, for callbacks and the sweep each.
  const most = Math.min(targets * (seconds / 2 + 2), 3 * 2 * 50 * (seconds + 1)) + 200
  const waits = [...livesOf(history).values()].flatMap(({ decided, finishes: [first] }) =>
    decided === null || first === undefined || decided.at >= to ? [] : [first.at - decided.at],
  )
  const slowest = waits.sort((a, b) => a - b).at(Math.floor(waits.length * 0.99)) ?? 0
  const text = `${gets} of ${Math.ceil(most)} GETs`
  return {
    notes: [text, `genuine p99 ${slowest} ms`],
    failures: gets > most ? [text] : [],
  }
}

const herd: Run = {
  name: 'F13',
  title: 'all due at once, eight workers sweep',
  size: 10_000,
  workers: 1,
  // Eight processes that boot together on a small machine are slow, which does not matter here.
  worker: {
    ...{ sweeps: false, firstMs: 1, maxMs: 60_000, getsPerSecond, throws: 0, handlerMs: [0, 5] },
    ...{ leaseMs: 10_000, confirmTimeoutMs: 3_000 },
  },
  async act(rig, size) {
    const [worker] = rig.fleet.workers
    if (worker === undefined) throw new Error('a worker is needed')
    await rig.fleet.track(worker, { prefix: 'reg_', count: size, atOnce: 64 })
    rig.log.write('fault', 'all-due')
    await Promise.all(Array.from({ length: 8 }, () => rig.fleet.boot({ sweeps: true })))
    return []
  },
  judge(history, size) {
    const again = [...livesOf(history).values()].filter(({ gets }) => gets.length > 1).length
    const text = `${(100 - (100 * again) / size).toFixed(1)} % polled by one worker only`
    const peak = judgePeak(history, 8 * 2 * getsPerSecond)
    return {
      notes: peak.notes,
      failures: [...(again > size / 100 ? [text] : []), ...peak.failures],
    }
  },
}

/** The maximum number of GETs in any second. */
function judgePeak({ upstream }: History, most: number): Verdict {
  const times = upstream.filter(({ kind }) => kind === 'get').map(({ at }) => at)
  let peak = 0
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= 1_000) first++
    peak = Math.max(peak, last - first + 1)
  }
  const text = `${peak} of ${most} GETs/s`
  return { notes: [text], failures: peak > most ? [text] : [] }
}

export const upstreamRuns: readonly Run[] = [
  troubled('F8a', '10 % of GETs get 500', { failed: 0.1 }),
  troubled('F8b', '50 % of GETs get 500', { failed: 0.5 }),
  troubled('F8c', 'every GET gets 500', { failed: 1 }),
  troubled('F8d', '30 % of GETs get 429', { throttled: 0.3 }),
  troubled('F8e', '20 % of GETs get no response', { hung: 0.2 }),
  delivered('F9a', 'no callback lost', {}),
  delivered('F9b', '30 % of callbacks lost, 10 % decided inline, 2 % of submissions get 500', {
    inline: 0.1,
    postsFailed: 0.02,
    callbacks: { ...callbacks, lost: 0.3 },
  }),
  delivered('F9c', 'all callbacks lost', { callbacks: { ...callbacks, lost: 1 } }),
  delivered('F9d', 'five shuffled copies of each callback', {
    callbacks: { ...callbacks, copies: [5, 5], spreadMs: 3_000 },
  }),
  delivered('F9e', 'callbacks before the submission response, and 400 ms before GET shows the decision', {
    lagMs: 400,
    callbacks: { ...callbacks, early: 0.5 },
  }),
  spoofed('F11a', 1, false),
  spoofed('F11b', 1_000, false),
  spoofed('F11c', 1_000, true),
  herd,
]
