import type { FaultsView } from '../view.js'
import { byId, field, h } from './dom.js'
import { ask, type State } from './state.js'

const switches = ['drop', 'early', 'loseSubmitResponse'] as const
const amounts = ['duplicate', 'delayMs', 'retries', 'retryDelayMs', 'slowMs', 'staleReads', 'staleMs'] as const
const apiFields = ['api-status', 'api-count', 'api-rate', 'api-wait'] as const
const none = Object.fromEntries([...switches.map((name) => [name, false]), ...amounts.map((name) => [name, 0])])

/** Controls whose change the simulator has not acknowledged: an older message must not undo the change. */
const changing = new Set<string>()

/** Connects the controls of the faults. Returns a function that sets them to the current state. */
export function createFaults(state: State): () => void {
  for (const name of switches) listen(name, 'faults', (control) => ({ [name]: control.checked }))
  for (const name of amounts) listen(name, 'faults', (control) => ({ [name]: control.valueAsNumber || 0 }))
  for (const id of apiFields) listen(id, 'faults', () => ({ api: readApi() }))
  listen('rule', 'rule', (control) => ({ rule: control.value }))
  byId('faults-off').addEventListener('click', () => void ask('faults', { ...none, api: null }))
  byId('forge').addEventListener('click', () => {
    const request = state.requests.get(state.selected ?? '')
    // The claimed status must differ from the true one.
    if (request) void ask('forge', { id: request.id, status: request.status === 'approved' ? 'rejected' : 'approved' })
  })
  return draw

  function listen(id: string, action: 'faults' | 'rule', read: (control: HTMLInputElement) => object): void {
    const control = field(id)
    control.addEventListener('change', async () => {
      const change = read(control)
      changing.add(id)
      const done = await ask(action, change)
      changing.delete(id)
      if (done && action === 'rule') Object.assign(state, change)
      else if (done && state.faults !== null) state.faults = { ...state.faults, ...change }
      draw()
    })
  }

  function draw(): void {
    if (state.faults !== null) show(state.faults)
    if (!changing.has('rule')) field('rule').value = state.rule
    field('forge').disabled = !state.requests.get(state.selected ?? '')?.callbackUrl
  }
}

function readApi(): object | null {
  const [status, count, rate, wait] = ['status', 'count', 'rate', 'wait'].map((name) => field(`api-${name}`).value)
  if (!status) return null
  return {
    status: Number(status),
    ...(count && { count: Number(count) }),
    ...(rate && { rate: Number(rate) / 100 }),
    ...(wait && { retryAfter: Number(wait) }),
  }
}

function show(faults: FaultsView): void {
  for (const name of switches) if (!changing.has(name)) field(name).checked = faults[name]
  for (const name of amounts) put(name, faults[name])
  const { status = '', count = '', rate = '', retryAfter = '' } = faults.api ?? {}
  if (!apiFields.some((id) => changing.has(id))) {
    const known = [...byId('api-status').children].some((option) => option.getAttribute('value') === String(status))
    if (!known) byId('api-status').append(h('option', { value: status }, String(status)))
    field('api-status').value = String(status)
    byId('api-more').hidden = faults.api === null
    put('api-count', count)
    put('api-rate', typeof rate === 'number' ? Math.round(rate * 100) : '')
    put('api-wait', retryAfter)
  }
  const on = [...switches, ...amounts].filter((name) => Boolean(faults[name])).length + Number(faults.api !== null)
  byId('fault-count').textContent = on === 0 ? '' : `${on} on`
}

/** Sets a control, unless it has focus or its change is not acknowledged yet. */
function put(id: string, value: string | number): void {
  const control = field(id)
  if (document.activeElement !== control && !changing.has(id)) control.value = String(value)
}
