import type { History } from './history.js'

export interface Start {
  readonly at: number
  readonly fence: number
  readonly pid: string
  readonly status: string
  readonly amount: string
}

export interface End {
  readonly at: number
  readonly fence: number
  readonly pid: string
}

/** The response to a callback; status 0 if there was none. */
export interface CallbackAnswer {
  readonly at: number
  readonly sentAt: number
  readonly sort: string
  readonly status: number
  readonly word: string
}

/** All events of one approval, in order. */
export interface Life {
  readonly id: string
  /** The reference in its callback URL, as the stub received it. */
  ref: string | null
  ackedAt: number | null
  decided: { readonly at: number; readonly status: string; readonly amount: string } | null
  readonly starts: Start[]
  readonly finishes: End[]
  readonly throws: End[]
  /** Completions that the store accepted. */
  readonly dones: End[]
  /** Completions that the store refused after a takeover. */
  readonly refused: End[]
  readonly gets: number[]
  readonly answers: CallbackAnswer[]
}

export function livesOf({ ledger, upstream, driver }: History): ReadonlyMap<string, Life> {
  const lives = new Map<string, Life>()
  const lifeOf = (id = ''): Life => {
    const known = lives.get(id)
    if (known !== undefined) return known
    const fresh: Life = {
      ...{ id, ref: null, ackedAt: null, decided: null },
      ...{ starts: [], finishes: [], throws: [], dones: [], refused: [], gets: [], answers: [] },
    }
    lives.set(id, fresh)
    return fresh
  }
  for (const { at, kind, words } of upstream) {
    const [id, first = '', second = '', third = '', fourth = ''] = words
    if (kind === 'created') lifeOf(id).ref = first === '-' ? null : first
    else if (kind === 'decided') lifeOf(id).decided ??= { at, status: first, amount: second }
    else if (kind === 'get') lifeOf(id).gets.push(at)
    else if (kind === 'answer') {
      lifeOf(id).answers.push({ at, sort: first, status: Number(second), word: third, sentAt: Number(fourth) })
    }
  }
  for (const { at, kind, words } of driver) if (kind === 'ack') lifeOf(words[0]).ackedAt ??= at
  for (const { at, kind, words } of ledger) {
    const [id, fence = '', pid = '', status = '', amount = ''] = words
    const end = { at, fence: Number(fence), pid }
    if (kind === 'start') lifeOf(id).starts.push({ ...end, status, amount })
    else if (kind === 'finish') lifeOf(id).finishes.push(end)
    else if (kind === 'throw') lifeOf(id).throws.push(end)
    else if (kind === 'done') lifeOf(id).dones.push(end)
    else if (kind === 'refused') lifeOf(id).refused.push(end)
    else if (kind === 'ack') lifeOf(id).ackedAt ??= at
  }
  return lives
}
