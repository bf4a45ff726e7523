import type { Attack, Size } from './attacks.js'
import { check, type Evidence, type Violation } from './check.js'
import type { Delay, HostName } from './messages.js'

export interface Figures {
  readonly attack: Attack
  readonly host: HostName
  readonly seed: number
  readonly size: Size
  readonly sent: number
  readonly sentPerSecond: number
  readonly handled: number
  /** Number of decisions that a callback confirmed; the sweep found the others. */
  readonly byCallback: number
  /** From the decision to the start of its handler. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly delayMs: Delay
  /** Processor time of the receiver. */
  readonly cpuSeconds: number
  readonly heapBytes: readonly [before: number, peak: number, after: number]
  readonly rssBytes: readonly [before: number, peak: number, after: number]
  readonly gets: number
  readonly mostGetsInASecond: number
  readonly answers: Readonly<Record<string, number>>
  readonly genuineAnswers: Readonly<Record<string, number>>
  readonly handles: readonly [before: string, after: string]
  readonly seconds: number
  readonly load: number
  readonly violations: readonly Violation[]
}

export interface Course {
  readonly attack: Attack
  readonly host: HostName
  readonly size: Size
  readonly seed: number
  readonly evidence: Evidence
  readonly sent: number
  readonly attackSeconds: number
  readonly seconds: number
  readonly delayMs: Delay
  readonly cpuSeconds: number
  readonly peak: { readonly heapBytes: number; readonly rssBytes: number }
  /** Load of the machine during the attack. */
  readonly load: number
}

export function figuresOf(course: Course): Figures {
  const { evidence, sent, attackSeconds, peak } = course
  const { ledger, cheqpoint, reviewer, answers, before, after } = evidence
  const decided = new Map(cheqpoint.filter(({ kind }) => kind === 'decided').map(({ at, words: [id] }) => [id, at]))
  const latencies = ledger.flatMap(({ at, words: [id] }) => {
    const decidedAt = decided.get(id)
    return decidedAt === undefined ? [] : [at - decidedAt]
  })
  const gets = cheqpoint.filter(({ kind }) => kind === 'get').map(({ at }) => at)
  return {
    ...course,
    sentPerSecond: attackSeconds === 0 ? 0 : Math.round(sent / attackSeconds),
    handled: new Set(ledger.map(({ words: [id] }) => id)).size,
    byCallback: ledger.filter(({ words }) => words[4] === 'callback').length,
    latencyMs: percentiles(latencies),
    heapBytes: [before.heapBytes, peak.heapBytes, after.heapBytes],
    rssBytes: [before.rssBytes, peak.rssBytes, after.rssBytes],
    gets: gets.length,
    mostGetsInASecond: mostInASecond(gets),
    answers: total(answers.map(({ status, code, count }) => [`${status} ${code}`, count])),
    genuineAnswers: total(reviewer.map(({ words: [, , status, code] }) => [`${status} ${code}`, 1])),
    handles: [list(before.handles), list(after.handles)],
    violations: check(evidence),
  }
}

/** By nearest rank. */
function percentiles(times: readonly number[]): Figures['latencyMs'] {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function mostInASecond(times: readonly number[]): number {
  let most = 0
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= 1_000) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

function total(counts: readonly (readonly [word: string, count: number])[]): Readonly<Record<string, number>> {
  const totals: Record<string, number> = {}
  for (const [word, count] of counts) totals[word] = (totals[word] ?? 0) + count
  return Object.fromEntries(Object.entries(totals).sort())
}

export function list(counts: Readonly<Record<string, number>>): string {
  const words = Object.entries(counts).map(([word, count]) => `${word} ${count}`)
  return words.join(', ') || 'none'
}
