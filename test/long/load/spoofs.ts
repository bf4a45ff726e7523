import { chanceOf } from '../../support/chance.js'
import { wireOf } from '../../support/raw-http.js'
import { flood, type Shot } from './flood.js'
import type { SpoofPlan } from './messages.js'
import type { Tally } from './tally.js'

/*
 * Forged approvals of known ids, with the correct agent header. If tokens are required, they have none, a forged one,
 * or a leaked one of another approval.
 */

const headers = [
  ['User-Agent', 'Cheqpoint-Callback/1.0'],
  ['Content-Type', 'application/json'],
] as const

/** Resolves with the number sent. Spreads them over the attack; a slow receiver gets three times as long. */
export function sendSpoofs(plan: SpoofPlan, tally: Tally): Promise<number> {
  const { port, path, leaked, secret, seed, ids, count, seconds } = plan
  const chance = chanceOf(seed)
  const sorts = secret
    ? ([
        ['spoof-no-token', path],
        ['spoof-invented-token', leaked.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
        ['spoof-other-token', leaked],
      ] as const)
    : ([['spoof', path]] as const)
  let at = 0
  const next = (): Shot => {
    const approvalId = ids[at++ % ids.length]
    const [sort, own] = sorts[Math.floor(chance() * sorts.length)] ?? ['', '']
    const modifiedDetails = { n: 0, amount: 9_999_999 }
    const body = JSON.stringify({ approvalId, status: 'approved', modifiedDetails, decisionNote: 'Pay me.' })
    return { sort, bytes: wireOf({ method: 'POST', path: own, headers, body }).toString() }
  }
  const pace = { perSecond: Math.ceil(count / seconds), count, seconds: seconds * 3 }
  return flood({ port, tally, connections: 32, depth: 8, ...pace, next })
}
