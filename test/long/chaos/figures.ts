import { check, isKept, type Violation } from './check.js'
import { Faults } from './faults.js'
import type { History } from './history.js'
import { type Life, livesOf } from './lives.js'

/** The figures of a run in a report. */
export interface Figures {
  readonly run: string
  readonly title: string
  readonly seed: number
  readonly size: number
  readonly versions: string
  readonly seconds: number
  readonly faults: Readonly<Record<string, number>>
  readonly acked: number
  readonly lost: number
  /** Interrupted submissions that Cheqpoint accepted: handled, parked or listed nevertheless. */
  readonly orphans: number
  /** Decisions with more than one finished run, by the fault that explains them. */
  readonly doubles: { readonly explained: Readonly<Record<string, number>>; readonly unexplained: number }
  readonly completedTwice: number
  readonly staleRefused: number
  readonly parked: number
  readonly getsPerDecision: number
  readonly answers: Readonly<Record<string, number>>
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
  /** From the last fault to the last effect; 0 if no work was left. */
  readonly recoveryMs: number
  readonly bytesPerKey: number | null
  readonly notes: readonly string[]
  readonly violations: readonly Violation[]
}

export function figuresOf(history: History, notes: readonly string[], failures: readonly string[]): Figures {
  const { terms, state } = history
  const lives = [...livesOf(history).values()]
  const faults = new Faults(history)
  const acked = lives.filter(({ ackedAt }) => ackedAt !== null)
  const lost = acked.filter((life) => !isKept(life, history))
  const twice = lives.filter(({ finishes }) => finishes.length > 1)
  const causes = twice.map((life) => causeOf(life, faults))
  const decided = lives.filter((life) => life.decided !== null)
  const gets = lives.reduce((sum, life) => sum + life.gets.length, 0)
  const effects = lives.flatMap(({ finishes }) => finishes.map(({ at }) => at))
  const violations = [...check(history), ...failures.map((what) => ({ law: 'bar', id: '-', what }))]
  const began = Math.min(history.driver[0]?.at ?? 0, history.upstream[0]?.at ?? Number.POSITIVE_INFINITY)
  const last = effects.reduce((latest, at) => Math.max(latest, at), began)
  return {
    run: terms.run,
    title: terms.title,
    seed: terms.seed,
    size: terms.size,
    versions: terms.versions,
    seconds: Math.round((last - began) / 1000),
    faults: Object.fromEntries(faults.counts),
    acked: acked.length,
    lost: lost.length,
    orphans: decided.filter(({ ackedAt, ref }) => ackedAt === null && ref !== null).length,
    doubles: {
      explained: tally(causes.filter((cause) => cause !== null)),
      unexplained: causes.filter((cause) => cause === null).length,
    },
    completedTwice: lives.filter(({ dones }) => dones.length > 1).length,
    staleRefused: lives.reduce((sum, { refused }) => sum + refused.length, 0),
    parked: state.parked.length,
    getsPerDecision: decided.length === 0 ? 0 : gets / decided.length,
    answers: countAnswers(lives),
    latencyMs: percentiles(lives),
    recoveryMs: faults.lastAt === 0 ? 0 : Math.max(0, last - faults.lastAt),
    bytesPerKey: state.bytesPerKey,
    notes,
    violations,
  }
}

/** The fault between the first claim whose run finished and the next; `null` if one pair had none. */
function causeOf({ finishes, starts }: Life, faults: Faults): string | null {
  const fences = new Set(finishes.map(({ fence }) => fence))
  const claims = starts.filter(({ fence }) => fences.has(fence)).toSorted((a, b) => a.fence - b.fence)
  const causes = claims.slice(1).map((later, at) => {
    const earlier = claims[at]
    return earlier === undefined ? null : faults.between(earlier, later)
  })
  return causes.includes(null) ? null : (causes[0] ?? null)
}

function countAnswers(lives: readonly Life[]): Readonly<Record<string, number>> {
  const answers = lives.flatMap((life) => life.answers)
  return tally(answers.map(({ status }) => (status === 0 ? 'none' : String(status))))
}

function tally(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

/** From the decision to its first effect. */
function percentiles(lives: readonly Life[]): Figures['latencyMs'] {
  const times = lives
    .flatMap(({ decided, finishes: [first] }) =>
      decided === null || first === undefined ? [] : [first.at - decided.at],
    )
    .sort((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: times.at(-1) ?? 0 }
}
