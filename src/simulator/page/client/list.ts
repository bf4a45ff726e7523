import type { RequestView } from '../view.js'
import { byId, fill, h, memo, time } from './dom.js'
import { listed, type State } from './state.js'

/** Draws the list of requests. */
export function createList(state: State, select: (id: string) => void): () => void {
  const item = memo((request: RequestView) =>
    h(
      'li',
      {},
      h(
        'button',
        { type: 'button', id: `item-${request.id}`, class: `item ${request.status}`, click: () => select(request.id) },
        h('span', { class: 'summary' }, request.summary),
        h('span', { class: 'soft' }, request.action),
        request.status === 'pending' ? time(request.submittedAt) : h('span', { class: 'word' }, outcome(request)),
      ),
    ),
  )
  return () => {
    const { waiting, decided } = listed(state)
    for (const [name, requests] of [['waiting', waiting] as const, ['decided', decided] as const]) {
      fill(
        byId(name),
        requests.map((request) => item(request.id, request)),
      )
      byId(`${name}-count`).textContent = String(requests.length)
    }
    for (const each of byId('list').querySelectorAll('.item')) {
      if (each.id === `item-${state.selected}`) each.setAttribute('aria-current', 'true')
      else each.removeAttribute('aria-current')
    }
    document.title = `${waiting.length > 0 ? `(${waiting.length}) ` : ''}Cheqpoint simulator`
  }
}

/** The outcome of a request in one or two words. */
export function outcome({ status, modifiedDetails }: RequestView): string {
  return modifiedDetails === null ? status : `${status}, edited`
}
