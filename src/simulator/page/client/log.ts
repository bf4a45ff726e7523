import type { CallView, DeliveryView } from '../view.js'
import { block, button, byId, fill, h, memo, time } from './dom.js'
import { ask, type State } from './state.js'

/** Draws the callbacks with their responses, and the API calls. */
export function createLog(state: State, select: (id: string) => void): () => void {
  const entry = memo((delivery: DeliveryView, before) => {
    const { id, approvalId, url, cause, headers, body, answer, createdAt } = delivery
    const [word, meaning, mood = ''] = verdict(delivery)
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    return h(
      'details',
      { class: 'entry', open: before?.hasAttribute('open') ?? false },
      h(
        'summary',
        { id: `entry-${id}` },
        h('span', { class: `badge ${mood}` }, word),
        h(
          'span',
          {},
          h('b', {}, String(JSON.parse(body).status)),
          cause !== 'decision' && ` · ${cause.replace('-', ' ')}`,
        ),
        time(createdAt),
        h('span', { class: 'soft' }, state.requests.get(approvalId)?.summary ?? approvalId),
      ),
      h('p', {}, meaning),
      h('h4', {}, 'Request'),
      block('Request', [`POST ${url}`, ...lines, '', body].join('\n')),
      answer !== null && h('h4', {}, 'Answer'),
      answer !== null && block('Answer', answer.error ?? `${answer.status}\n\n${answer.body}`),
      h(
        'p',
        { class: 'row' },
        cause !== 'by-hand' && button('Deliver again', () => void ask('redeliver', { id: approvalId })),
        button('Show the request', () => select(approvalId)),
      ),
    )
  })
  return () => {
    const deliveries = [...state.deliveries.values()].reverse()
    const entries = deliveries.map((delivery) => entry(delivery.id, delivery))
    for (const [at, element] of entries.entries()) {
      element.classList.toggle('own', deliveries[at]?.approvalId === state.selected)
    }
    fill(byId('deliveries'), entries)
    byId('callback-count').textContent = String(entries.length)
    byId('call-list').replaceChildren(...[...state.calls].reverse().map(call))
    byId('call-count').textContent = String(state.calls.length)
  }
}

/** The result of a delivery. */
export function verdict({ state, answer }: DeliveryView): readonly [word: string, meaning: string, mood?: string] {
  if (state === 'dropped') return ['lost', 'A fault lost it: it was never sent.', 'bad']
  if (state === 'waiting') return ['…', 'It is scheduled.']
  if (answer === null) return ['…', 'It is in progress.']
  if (answer.status === null) return ['failed', 'It got no response.', 'bad']
  const good = answer.status >= 200 && answer.status < 300
  return [String(answer.status), good ? 'It was accepted.' : 'It was refused.', good ? 'good' : 'bad']
}

function call({ method, path, status, at }: CallView): HTMLElement {
  const mood = status === null ? '' : status < 300 ? 'good' : 'bad'
  const badge = h('span', { class: `badge ${mood}` }, String(status ?? '…'))
  return h('li', {}, badge, h('b', {}, method), time(at), h('code', { class: 'soft' }, path))
}
