import { Faults } from './faults.js'
import type { History } from './history.js'
import { type CallbackAnswer, type End, type Life, livesOf, type Start } from './lives.js'

export interface Violation {
  readonly law: string
  readonly id: string
  readonly what: string
}

/** The stub's clock and that of Redis are read a moment apart. */
const slackMs = 5

const allowed202 = new Set([
  ...['in-progress', 'over-budget', 'no-free-slot', 'too-soon', 'awaiting-id', 'undecided', 'running', 'parked'],
  ...['api-failed', 'api-throttled', 'api-key-refused', 'handler-failed'],
])

/** Checks a history against the laws. Uses no code of the library and no running process. */
export function check(history: History): readonly Violation[] {
  const lives = livesOf(history)
  const faults = new Faults(history)
  const judge = new Judge(history, faults)
  return [...[...lives.values()].flatMap((life) => judge.life(life)), ...judge.end()]
}

const members = new WeakMap<History, ReadonlySet<string>>()

/** Whether an approval is completed, parked, or still open in a run that did not wait for its end. */
export function isKept({ id, finishes }: Life, history: History): boolean {
  if (finishes.length > 0) return true
  const { state, terms } = history
  let known = members.get(history)
  if (known === undefined) {
    const indexed = new Set(state.due.map((member) => member.slice(2)))
    known = new Set([...state.parked, ...(terms.drains ? [] : state.open.filter((each) => indexed.has(each)))])
    members.set(history, known)
  }
  return known.has(id)
}

class Judge {
  readonly #history: History
  readonly #faults: Faults
  readonly #due: ReadonlySet<string>

  constructor(history: History, faults: Faults) {
    this.#history = history
    this.#faults = faults
    this.#due = new Set(history.state.due)
  }

  life(life: Life): readonly Violation[] {
    const broken: Violation[] = []
    const report = (law: string, what: string): void => void broken.push({ law, id: life.id, what })
    this.#kept(life, report)
    for (const start of life.starts) this.#rightEffect(life, start, report)
    if (life.dones.length > 1) report('L4', `completed ${life.dones.length} times`)
    this.#runs(life, report)
    this.#fences(life, report)
    this.#gets(life, report)
    for (const answer of life.answers) this.#answer(life, answer, report)
    return broken
  }

  /** L1: every request that was acknowledged, or that Cheqpoint accepted, is completed, parked or still listed. */
  #kept(life: Life, report: (law: string, what: string) => void): void {
    const { ref, ackedAt, decided } = life
    if (this.#history.terms.mayLose || isKept(life, this.#history)) return
    if (ackedAt !== null) report('L1', 'acknowledged, and neither finished nor parked')
    else if (decided !== null && ref !== null && !this.#due.has(`r:${ref}`)) {
      report('L1', 'taken by Cheqpoint in a submission that broke off, and neither finished, parked nor listed')
    }
  }

  /** L2 and L3: a run follows its decision and matches it. */
  #rightEffect({ decided }: Life, start: Start, report: (law: string, what: string) => void): void {
    if (decided === null) report('L3', 'ran, and was never decided')
    else if (start.status !== decided.status || start.amount !== decided.amount) {
      report('L2', `ran as ${start.status} ${start.amount}, decided as ${decided.status} ${decided.amount}`)
    } else if (start.at < decided.at) report('L3', `ran ${decided.at - start.at} ms before it was decided`)
  }

  /** L5: each further run has a cause. At-most-once allows none. */
  #runs({ starts, finishes, throws, dones }: Life, report: (law: string, what: string) => void): void {
    if (this.#history.terms.guarantee === 'at-most-once' && starts.length > 1) {
      report('L5', `started ${starts.length} times under at-most-once`)
    }
    const claims = starts.toSorted((a, b) => a.fence - b.fence)
    for (const [at, start] of claims.entries()) {
      const before = claims[at - 1]
      if (before === undefined) continue
      const threw = throws.some(({ fence }) => fence === before.fence)
      const reason = this.#faults.between(before, start)
      const finished = finishes.find(({ fence }) => fence === before.fence)
      if (reason === null && finished !== undefined) report('L5', 'finished, and ran again without a fault between')
      else if (reason === null && !threw) report('L5', 'ran again without a throw or a fault between')
    }
    const [done] = dones
    for (const start of starts) {
      if (done === undefined || start.fence <= done.fence) continue
      report('L4', 'claimed again after its completion was recorded')
    }
  }

  /** L6: fences rise; only a stalled process may use an older one late. */
  #fences({ starts }: Life, report: (law: string, what: string) => void): void {
    let highest = 0
    for (const { fence, pid, at } of starts) {
      if (fence === highest) report('L6', `fence ${fence} was given twice`)
      else if (fence < highest && !this.#faults.stalled(pid, at)) report('L6', `fence ${fence} after ${highest}`)
      highest = Math.max(highest, fence)
    }
  }

  /** L7: one GET for an approval in `minIntervalMs`, for all processes together. */
  #gets({ gets }: Life, report: (law: string, what: string) => void): void {
    const { minIntervalMs, leaseMs } = this.#history.terms
    // A claim of a dead process is taken over after its lease; a third of a lease may pass before its poll.
    const least = Math.min(minIntervalMs, leaseMs / 2) - slackMs
    for (const [at, time] of gets.entries()) {
      const before = gets[at - 1]
      if (before === undefined || time - before >= least || this.#faults.counts.has('stop')) continue
      report('L7', `asked twice within ${time - before} ms`)
    }
  }

  /** L8: the response matches what was known at that time. */
  #answer(life: Life, answer: CallbackAnswer, report: (law: string, what: string) => void): void {
    const { status, word, sort, at, sentAt } = answer
    const fits = ((): boolean => {
      if (status === 200) return word === 'handled' && life.finishes.some((finish: End) => finish.at <= at)
      if (status === 202) return allowed202.has(word)
      if (status === 401) return sort === 'spoof' && word === 'token-refused'
      if (status === 404) return life.ackedAt === null || sentAt <= life.ackedAt || this.#history.terms.mayLose
      if (status === 503) return word === 'overloaded' ? sort === 'spoof' : this.#faults.isOutage(sentAt, at)
      return status === 0 && (this.#faults.hitsWorkers || sort === 'spoof')
    })()
    if (!fits) report('L8', `a ${sort} callback was answered ${status} ${word}`)
  }

  /** L9: at the end no lease is held, and the indexes contain exactly the open entries. */
  end(): readonly Violation[] {
    const { state, terms } = this.#history
    if (terms.mayLose) return []
    const { due, parked, open } = state
    const approvals = due.filter((member) => member.startsWith('a:')).map((member) => member.slice(2))
    const indexed = new Set([...approvals, ...parked])
    const entries = new Set(open)
    const late = terms.drains ? approvals : []
    return [
      ...late.map((id) => ({ law: 'L9', id, what: 'still open when all was drained' })),
      ...due.filter((member) => member.startsWith('b:')).map((id) => ({ law: 'L9', id, what: 'still half bound' })),
      ...open.filter((id) => !indexed.has(id)).map((id) => ({ law: 'L9', id, what: 'open, and in no index' })),
      ...[...indexed].filter((id) => !entries.has(id)).map((id) => ({ law: 'L9', id, what: 'in an index, and gone' })),
    ]
  }
}
