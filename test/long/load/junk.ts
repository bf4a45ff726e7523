import { type Chance, chanceOf } from '../../support/chance.js'
import { chunk, headOf, RawConnection, wireOf } from '../../support/raw-http.js'
import { flood, type Shot } from './flood.js'
import type { JunkPlan } from './messages.js'
import type { Tally } from './tally.js'

/*
 * Requests of every refusable kind, each with one defect: all have a leaked token, except those that must lack it.
 */

const agent = ['User-Agent', 'Cheqpoint-Callback/1.0'] as const
const json = ['Content-Type', 'application/json'] as const
const tooLarge = 300_000

/** Resolves with the number sent. */
export async function throwJunk(plan: JunkPlan, tally: Tally): Promise<number> {
  const { port, seconds, perSecond } = plan
  const chance = chanceOf(plan.seed)
  const sorts = junkOf(plan, chance)
  const next = (): Shot => {
    const [sort, make] = sorts[Math.floor(chance() * sorts.length)] ?? ['', () => '']
    return { sort, bytes: make() }
  }
  const [sent, large] = await Promise.all([
    flood({ port, tally, connections: 48, depth: 8, perSecond, count: perSecond * seconds, seconds, next }),
    Promise.all([throwLarge(plan, tally, 'declared'), throwLarge(plan, tally, 'chunked')]),
  ])
  return large.reduce((sum, each) => sum + each, sent)
}

function junkOf({ path, leaked, secret }: JunkPlan, chance: Chance): readonly (readonly [string, () => string])[] {
  const post = { method: 'POST', path: leaked, headers: [agent, json], body: bodyFor('pending_0') }
  const fixed = (bytes: Buffer) => () => bytes.toString()
  return [
    ['wrong-agent', fixed(wireOf({ ...post, headers: [['User-Agent', 'curl/8.5.0'], json] }))],
    ['no-agent', fixed(wireOf({ ...post, headers: [json] }))],
    // If no token is required, this is a spoof.
    ...(secret ? [['no-token', fixed(wireOf({ ...post, path }))] as const] : []),
    ['malformed', fixed(wireOf({ ...post, body: '{"approvalId":"pending_0",' }))],
    ['no-id', fixed(wireOf({ ...post, body: '{"status":"approved"}' }))],
    ['unknown-id', () => wireOf({ ...post, body: bodyFor(`unknown_${Math.floor(chance() * 1e9)}`) }).toString()],
    ['wrong-method', fixed(wireOf({ ...post, method: 'GET', headers: [agent], body: '' }))],
    ['wrong-type', fixed(wireOf({ ...post, headers: [agent, ['Content-Type', 'text/plain']] }))],
  ]
}

/** Sends uploads that are too large, one after another, each on a new connection. */
async function throwLarge(
  { port, leaked, seconds }: JunkPlan,
  tally: Tally,
  framing: 'declared' | 'chunked',
): Promise<number> {
  const until = performance.now() + seconds * 1_000
  const request = { method: 'POST', path: leaked, headers: [agent, json] }
  const declared = headOf(request, [`Content-Length: ${tooLarge}`])
  const chunked = Buffer.concat([
    Buffer.from(headOf(request, ['Transfer-Encoding: chunked'])),
    chunk(Buffer.alloc(tooLarge, ' ')),
  ])
  let sent = 0
  while (performance.now() < until) {
    sent++
    const connection = await RawConnection.open(port)
    connection.write(framing === 'declared' ? declared : chunked)
    tally.count(`too-large-${framing}`, await connection.answer().catch(() => null))
    await connection.destroy()
  }
  return sent
}

export function bodyFor(approvalId: string): string {
  return JSON.stringify({ approvalId, status: 'approved', modifiedDetails: null, decisionNote: null })
}
