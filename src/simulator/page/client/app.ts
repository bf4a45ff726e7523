import type { News, RequestView } from '../view.js'
import { createCompose } from './compose.js'
import { detailPanel } from './detail.js'
import { byId, fill, memo } from './dom.js'
import { createFaults } from './faults.js'
import { createList } from './list.js'
import { createLog, verdict } from './log.js'
import { learn, listed, type State, say } from './state.js'

const state: State = {
  requests: new Map(),
  deliveries: new Map(),
  calls: [],
  faults: null,
  rule: 'off',
  selected: null,
  decided: null,
}
const drawList = createList(state, select)
const drawLog = createLog(state, select)
const drawFaults = createFaults(state)
const detail = memo((request: RequestView) => detailPanel(request, (id) => Object.assign(state, { decided: id })))
const drawCompose = createCompose()

function draw(): void {
  drawList()
  drawLog()
  drawFaults()
  const pane = byId('detail')
  const held = pane.contains(document.activeElement)
  const request = state.requests.get(state.selected ?? '')
  fill(byId('request'), request === undefined ? [] : [detail(request.id, request)])
  byId('compose').hidden = request !== undefined
  // The focused element may be gone: a decided request has no decision form.
  if (held && !pane.contains(document.activeElement)) pane.focus()
}

/** Selects a request, or none. With `open` it replaces the list on a narrow screen. */
function select(id: string | null, open = true): void {
  state.selected = id
  history.replaceState(null, '', id === null ? location.pathname : `#${id}`)
  document.body.classList.toggle('chosen', open)
  draw()
  byId('detail').scrollTo(0, 0)
  // On a narrow screen the focused item is now hidden with the list.
  if (document.activeElement?.checkVisibility() === false) byId('detail').focus()
}

/** The request before or after the selected one, as they are listed. */
function move(step: number): void {
  const { waiting, decided } = listed(state)
  const all = [...waiting, ...decided].map(({ id }) => id)
  const at = state.selected === null ? -1 : all.indexOf(state.selected)
  const next = all[Math.max(0, Math.min(all.length - 1, at + step))]
  if (next === undefined) return
  select(next)
  byId(`item-${next}`).focus()
}

function connect(): void {
  const source = new EventSource('ui/events')
  source.addEventListener('message', (event) => {
    const news: News = JSON.parse(event.data)
    const before = state.requests.get(state.selected ?? '')
    const arrived = news.requests.filter(({ id, status }) => status === 'pending' && !state.requests.has(id))
    learn(state, news)
    setLink(true)
    drawCompose(news.apiKey)
    if (!news.fresh) report(news, arrived[0])
    const known = state.requests.has(state.selected ?? '')
    const opened = document.body.classList.contains('chosen')
    const first = listed(state).waiting[0]?.id ?? null
    const isOver =
      before?.status === 'pending' && before.id === state.decided && state.requests.get(before.id) !== before
    // After a decision on this page, show the newest pending request.
    if (isOver && first !== null) select(first, opened)
    else if (known) draw()
    else if (news.fresh) select(wanted() ?? first, opened || wanted() !== null || first === null)
    else if (arrived[0] !== undefined && !(isTyping() && document.hasFocus())) select(arrived[0].id, opened)
    else draw()
  })
  source.addEventListener('error', () => {
    setLink(false)
    // In other states the browser reconnects by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1_000)
  })
}

/** Announces news to screen readers. */
function report({ deliveries }: News, arrived: RequestView | undefined): void {
  const own = [state.selected, state.decided]
  const over = deliveries.findLast(({ approvalId, state: at }) => own.includes(approvalId) && /ed$/.test(at))
  if (over !== undefined) say(`Callback ${verdict(over).slice(0, 2).join('. ')}`)
  if (arrived !== undefined) say(`New request: ${arrived.summary}`)
}

function setLink(up: boolean): void {
  const link = byId('link')
  const text = up ? 'Live' : 'The simulator is gone. Trying again…'
  if (link.textContent !== text) link.textContent = text
  link.className = up ? 'up' : 'down'
}

/** Returns the id in the page's URL, if such a request exists. */
function wanted(): string | null {
  const id = location.hash.slice(1)
  return state.requests.has(id) ? id : null
}

function isTyping(): boolean {
  return document.activeElement?.matches('input:not([type=checkbox], [type=radio]), textarea, select') ?? false
}

addEventListener('hashchange', () => {
  const id = wanted()
  if (id !== null && id !== state.selected) select(id)
})
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') !== null) return
  const typing = isTyping()
  const onList = document.activeElement === document.body || byId('list').contains(document.activeElement)
  const step = { j: 1, k: -1, ArrowDown: onList ? 1 : 0, ArrowUp: onList ? -1 : 0 }[event.key] ?? 0
  const pressed = [...document.querySelectorAll<HTMLElement>('[aria-keyshortcuts]')].find(
    (each) => each.getAttribute('aria-keyshortcuts') === event.key && each.checkVisibility(),
  )
  if ((typing && event.key !== 'Escape') || (event.repeat && step === 0)) return
  if (pressed !== undefined) pressed.click()
  else if (step !== 0) move(step)
  else if (event.key === 'f') {
    byId('tab-faults').click()
    byId('tab-faults').focus()
  } else if (typing && document.activeElement instanceof HTMLElement) document.activeElement.blur()
  else return
  event.preventDefault()
})
byId('new').addEventListener('click', () => {
  select(null)
  byId('compose').querySelector('h2')?.focus()
})
byId('back').addEventListener('click', () => {
  document.body.classList.remove('chosen')
  document.getElementById(`item-${state.selected}`)?.focus()
})
byId('help-open').addEventListener('click', () => {
  const help = byId('help')
  if (help instanceof HTMLDialogElement) help.showModal()
})
connect()
