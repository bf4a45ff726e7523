import { pathToFileURL } from 'node:url'
import { createClient } from 'redis'
import { Records } from '../../../src/approvals/records.js'
import type { ConfirmedDecision } from '../../../src/model/confirmed-decision.js'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { systemClock, systemRandom } from '../../../src/util/clock.js'
import { startRedis } from '../../support/redis-server.js'
import { median } from './figures.js'
import { decide, openApproval } from './open-approval.js'

/*
 * The time that Redis spends on one decision, as INFO commandstats tells of EVALSHA: read, claim, record and complete of
 * this build, beside claim, seal and complete of the first edition, in turns on one server. Needs redis-server, and the
 * folder of the other build: `node dist/test/long/bench/redis-server-time.js ../main/dist`.
 */

/** What the first edition's store is asked for here. */
interface FirstEdition {
  add(record: object, options: object): Promise<unknown>
  claim(id: string, token: string, leaseMs: number, options: object): Promise<unknown>
  seal(id: string, token: string, sealed: string): Promise<unknown>
  complete(id: string, token: string, end: object, retentionMs: number): Promise<unknown>
}

const [folder, count = '20000'] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: redis-server-time.js FOLDER-OF-THE-OTHER-BUILD [DECISIONS]')
const turn = 500
const leaseMs = 60_000
const retentionMs = 3_600_000
const text = 'x'.repeat(280)
const decision: ConfirmedDecision = {
  ...{ status: 'approved', modifiedDetails: null, note: null, decidedAt: '2026-01-01T00:00:00.000Z' },
  via: 'callback',
}

const server = await startRedis()
const client = await createClient({ url: server.url }).connect()
const sendCommand = (args: string[]): Promise<unknown> => client.sendCommand(args)

/** Microseconds of the scripts that `body` runs. */
async function spent(body: () => Promise<unknown>): Promise<number> {
  await client.sendCommand(['CONFIG', 'RESETSTAT'])
  await body()
  const stats = String(await client.sendCommand(['INFO', 'commandstats']))
  return Number(/cmdstat_evalsha:.*?usec=(\d+)/.exec(stats)?.[1])
}

async function firstEdition(): Promise<(ids: readonly string[]) => Promise<number>> {
  const { href } = pathToFileURL(`${folder}/src/stores/redis/redis-store.js`)
  // A build of the first edition, whose store has these methods.
  const other = (await import(href)) as { redisStore(options: object): FirstEdition }
  const store = other.redisStore({ sendCommand, prefix: 'first' })
  const draft = { ref: null, action: 'process_refund', assistant: null, expiresAt: Date.now() + 604_800_000 }
  return async (ids) => {
    const texts = { details: JSON.stringify({ text }), context: 'null' }
    await Promise.all(ids.map((id) => store.add({ id, ...draft, ...texts }, { dueInMs: leaseMs })))
    return spent(() =>
      Promise.all(
        ids.map(async (id) => {
          const token = `${id}-0123456789abcdef`
          await store.claim(id, token, leaseMs, { knock: true })
          await store.seal(id, token, JSON.stringify(decision))
          await store.complete(id, token, { outcome: 'approved', result: null }, retentionMs)
        }),
      ),
    )
  }
}

async function thisBuild(): Promise<(ids: readonly string[]) => Promise<number>> {
  const store = redisStore({ sendCommand, prefix: 'current' })
  const records = new Records({ store, clock: systemClock, random: systemRandom })
  return async (ids) => {
    await Promise.all(ids.map((id) => openApproval(store, id, { text }, leaseMs)))
    return spent(() => Promise.all(ids.map((id) => decide(records, id, { decision, leaseMs, retentionMs }))))
  }
}

try {
  const builds = [
    { name: 'first edition', decide: await firstEdition(), turns: [] as number[] },
    { name: 'this build', decide: await thisBuild(), turns: [] as number[] },
  ]
  for (const build of builds) await build.decide(Array.from({ length: turn }, (_, at) => `warm-${at}`))
  const turns = Math.ceil(Number(count) / turn)
  for (let at = 0; at < turns; at++) {
    const ids = Array.from({ length: turn }, (_, index) => `apr-${at}-${index}`)
    for (const build of builds) build.turns.push((await build.decide(ids)) / turn)
  }
  // By turn, since a busy machine interrupts some of them.
  const [first, current] = builds.map((build) => median(build.turns))
  console.log(
    `first edition: ${first?.toFixed(1)} µs a decision, this build: ${current?.toFixed(1)} µs; medians of ${turns} turns`,
  )
  const ratio = median(builds[0]?.turns.map((micros, at) => (builds[1]?.turns[at] ?? Number.NaN) / micros) ?? [])
  console.log(`ratio ${ratio.toFixed(3)}`)
  process.exitCode = ratio <= 0.5 ? 0 : 1
} finally {
  await client.close()
  await server.stop()
}
