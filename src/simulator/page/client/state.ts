import type { CallView, DeliveryView, FaultsView, News, RequestView, RuleName } from '../view.js'
import { byId } from './dom.js'

/** The data of the page, and what it shows. */
export interface State {
  readonly requests: Map<string, RequestView>
  readonly deliveries: Map<string, DeliveryView>
  calls: readonly CallView[]
  faults: FaultsView | null
  rule: RuleName
  /** Id of the selected request; `null` shows how to submit one. */
  selected: string | null
  /** Id of the request that this page decided last. */
  decided: string | null
}

/** Applies a message. */
export function learn(state: State, news: News): void {
  const before = new Map(state.requests)
  if (news.fresh) {
    state.requests.clear()
    state.deliveries.clear()
  }
  for (const request of news.requests) {
    const known = before.get(request.id)
    // A new connection sends the same data again: keeping the old object keeps unsent input of the form.
    const same = JSON.stringify(known) === JSON.stringify(request)
    state.requests.set(request.id, same && known !== undefined ? known : request)
  }
  for (const delivery of news.deliveries) state.deliveries.set(delivery.id, delivery)
  const others = [...state.requests].filter(([id]) => id !== state.selected)
  for (const pending of [true, false]) {
    const alike = others.filter(([, { status }]) => (status === 'pending') === pending)
    for (const [id] of alike.slice(0, -news.keep)) state.requests.delete(id)
  }
  for (const id of [...state.deliveries.keys()].slice(0, -news.keep)) state.deliveries.delete(id)
  const { calls, faults, rule } = news
  Object.assign(state, { calls, faults, rule })
}

/** The requests in list order: pending ones, then decided ones, each with the latest first. */
export function listed(state: State): { readonly waiting: RequestView[]; readonly decided: RequestView[] } {
  const all = [...state.requests.values()].reverse()
  const decided = all.filter(({ status }) => status !== 'pending')
  // The sort is stable: requests decided at the same time stay in submission order.
  decided.sort((one, other) => (other.decidedAt ?? '').localeCompare(one.decidedAt ?? ''))
  return { waiting: all.filter(({ status }) => status === 'pending'), decided }
}

/** Sends an action to the simulator. Resolves with whether it succeeded; shows an error otherwise. */
export async function ask(action: string, body: object): Promise<boolean> {
  try {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`ui/${action}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (answer.ok) return true
    const { error } = await answer.json()
    say(`Refused: ${error}`, 'bad')
  } catch {
    say('The simulator does not respond.', 'bad')
  }
  return false
}

let fading: ReturnType<typeof setTimeout> | undefined

/** Shows a short message, also to screen readers. */
export function say(text: string, mood: 'plain' | 'bad' = 'plain'): void {
  const toast = byId('toast')
  toast.textContent = text
  toast.className = `on ${mood}`
  clearTimeout(fading)
  fading = setTimeout(() => {
    toast.className = ''
  }, 5_000)
}
