import { type AssaultPlan, type JunkPlan, pendingId, type SlowPlan, type SpoofPlan } from './messages.js'

/** The amounts of an attack. */
export interface Size {
  /** Duration of an attack; decisions are made at random times in it. */
  readonly seconds: number
  readonly genuine: number
  readonly sockets: number
  readonly junkPerSecond: number
  readonly spoofs: number
  readonly known: number
}

export const full: Size = {
  ...{ seconds: 10, genuine: 100 },
  ...{ sockets: 200, junkPerSecond: 20_000, spoofs: 50_000, known: 1_000 },
}
export const quick: Size = {
  ...{ seconds: 2, genuine: 20 },
  ...{ sockets: 40, junkPerSecond: 500, spoofs: 1_000, known: 100 },
}

type Common = Pick<AssaultPlan, 'seed' | 'port' | 'seconds' | 'path' | 'leaked' | 'secret'>
type Assault = (common: Common, size: Size) => AssaultPlan

export interface Attack {
  readonly name: string
  readonly title: string
  /** Whether callbacks need a token; every genuine one has its own. */
  readonly secret: boolean
  /** Pending approvals whose ids the attackers know. */
  readonly knows: 'one' | 'many'
  /** Each runs in its own process. */
  readonly assaults: readonly Assault[]
}

const slow: Assault = (common, { sockets }): SlowPlan => ({ ...common, kind: 'slow', sockets })
const slowMany: Assault = (common, { sockets }): SlowPlan => ({ ...common, kind: 'slow', sockets: 8 * sockets })
const junk: Assault = (common, { junkPerSecond }): JunkPlan => ({ ...common, kind: 'junk', perSecond: junkPerSecond })
const spoofOne: Assault = (common, { spoofs }): SpoofPlan => ({
  ...{ ...common, kind: 'spoof', count: spoofs },
  ids: [pendingId(1)],
})
const spoofMany: Assault = (common, { spoofs, known }): SpoofPlan => ({
  ...{ ...common, kind: 'spoof', count: spoofs },
  // The token of the first one leaked.
  ids: Array.from({ length: known }, (_, n) => pendingId(n + 1)),
})

/** Every attack, in the order of the table. The first is no attack. */
export const attacks: readonly Attack[] = [
  attack('baseline', 'no attack', false, []),
  attack('slow', 'slow sockets', false, [slow]),
  attack('slow-many', 'eight times as many slow sockets', false, [slowMany]),
  attack('junk', 'junk, tokens optional', false, [junk]),
  attack('junk-token', 'junk, tokens required', true, [junk]),
  attack('spoof-one', 'spoofs of one id, tokens optional', false, [spoofOne]),
  attack('spoof-one-token', 'spoofs of one id, tokens required', true, [spoofOne]),
  attack('spoof-many', 'spoofs of many ids, tokens optional', false, [spoofMany]),
  attack('spoof-many-token', 'spoofs of many ids, tokens required', true, [spoofMany]),
  attack('all', 'everything at once, tokens optional', false, [slow, junk, spoofMany]),
  attack('all-token', 'everything at once, tokens required', true, [slow, junk, spoofMany]),
]

function attack(name: string, title: string, secret: boolean, assaults: readonly Assault[]): Attack {
  return { name, title, secret, knows: assaults.includes(spoofMany) ? 'many' : 'one', assaults }
}
