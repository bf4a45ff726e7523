import type { RequestView } from '../view.js'
import { changesBetween } from './changes.js'
import { button, h, json, pretty, time } from './dom.js'
import { readObject } from './json-text.js'
import { outcome } from './list.js'
import { ask, say } from './state.js'

const known = ['action', 'summary', 'details', 'callbackUrl', 'webhookUrl', 'maxWaitMs']

/** Draws one request with its actions. `onDecide` is called before a decision is sent. */
export function detailPanel(request: RequestView, onDecide: (id: string) => void): HTMLElement {
  const { id, action, summary, details, submission, assistant, status } = request
  const rest = Object.entries(submission).filter(([name]) => !known.includes(name))
  const pending = status === 'pending'
  const content = h('div', { class: 'details' }, json(details, 'Details'))
  return h(
    'article',
    {},
    h(
      'p',
      { class: 'eyebrow' },
      h('span', { class: `chip ${status}` }, pending ? 'waiting' : outcome(request)),
      action,
    ),
    h('h2', { tabindex: -1 }, summary),
    h(
      'p',
      { class: 'soft' },
      h('code', {}, id),
      ' · submitted ',
      time(request.submittedAt),
      assistant !== null && ` by ${assistant}`,
    ),
    !pending && decisionPart(request),
    h('h3', {}, pending ? 'Details' : 'Details as submitted'),
    content,
    rest.length > 0 &&
      h(
        'details',
        { class: 'fold' },
        h('summary', {}, 'Also submitted'),
        json(Object.fromEntries(rest), 'Also submitted'),
      ),
    h('h3', {}, 'Callback'),
    callbackPart(request),
    pending && decisionForm(request, content, onDecide),
  )
}

function callbackPart({ callbackUrl, maxWaitMs, inline }: RequestView): HTMLElement {
  if (inline) return h('p', {}, 'None is due: the response to the submission had the decision.')
  if (callbackUrl === null)
    return h('p', {}, 'None is due: the submission named no URL. Its app finds the decision by polling.')
  return h(
    'div',
    {},
    h('p', { class: 'url' }, h('code', {}, callbackUrl)),
    h('p', { class: 'soft' }, 'A token in it is a secret of your app.'),
    maxWaitMs > 0 &&
      h('p', { class: 'soft' }, `The submission waits ${maxWaitMs} ms; decided by then, it is answered at once.`),
  )
}

function decisionPart({ id, details, modifiedDetails, note, decidedAt, callbackUrl }: RequestView): HTMLElement {
  return h(
    'section',
    { class: 'decision', 'aria-label': 'Decision' },
    h('p', {}, 'Decided ', time(decidedAt ?? ''), note === null && ', without a note.'),
    note !== null && h('blockquote', {}, note),
    modifiedDetails !== null && changeList(details, modifiedDetails),
    callbackUrl !== null &&
      h(
        'p',
        { class: 'row' },
        button('Deliver the callback again', () => void ask('redeliver', { id }), 'd'),
      ),
  )
}

function changeList(before: RequestView['details'], after: RequestView['details']): HTMLElement {
  const changes = changesBetween(before, after)
  if (changes.length === 0) return h('p', { class: 'soft' }, 'No changes.')
  const rows = changes.map((change) => {
    const kind = change.before === undefined ? 'added' : change.after === undefined ? 'removed' : 'changed'
    return h(
      'li',
      {},
      h('span', { class: `chip ${kind}` }, kind),
      h('code', {}, change.path.join(' › ')),
      h(
        'span',
        {},
        change.before !== undefined && h('del', {}, JSON.stringify(change.before)),
        kind === 'changed' && ' → ',
        change.after !== undefined && h('ins', {}, JSON.stringify(change.after)),
      ),
    )
  })
  return h('ul', { class: 'changes', 'aria-label': 'Changes' }, ...rows)
}

function decisionForm(
  { id, summary, details }: RequestView,
  content: HTMLElement,
  onDecide: (id: string) => void,
): HTMLElement {
  const original = pretty(details)
  const note = h('textarea', { id: 'note', rows: 1, placeholder: 'Note to the agent' })
  const text = h('textarea', {
    id: 'editor',
    spellcheck: false,
    'aria-label': 'Details, edited',
    'aria-describedby': 'edit-check',
    input: check,
  })
  const verdict = h('div', { id: 'edit-check', 'aria-live': 'polite' })
  const approveEdit = button('Approve with changes', () => void sendEdit(), undefined, { class: 'primary' })
  const other = h(
    'select',
    { 'aria-label': 'Other decision', change: () => void decide(other.value) },
    h('option', { value: '' }, 'Otherwise…'),
    ...['expired', 'cancelled', 'escalated'].map((word) => h('option', {}, word)),
  )
  const plain = h(
    'p',
    { class: 'row' },
    button('Approve', () => void decide('approved'), 'a', { class: 'primary' }),
    button('Edit', () => edit(true), 'e'),
    button('Reject', () => void decide('rejected'), 'r', { class: 'danger' }),
    other,
  )
  const editing = h(
    'p',
    { class: 'row' },
    approveEdit,
    button('Cancel', () => edit(false), 'Escape'),
  )
  const shownDetails = [...content.childNodes]

  async function decide(status: string, modifiedDetails: object | null = null): Promise<void> {
    onDecide(id)
    if (await ask('decide', { id, status, note: note.value === '' ? null : note.value, modifiedDetails }))
      say(`Decided: ${status}. ${summary}`)
  }
  function edit(on: boolean): void {
    plain.hidden = on
    editing.hidden = !on
    if (on) {
      text.value = original
      text.rows = Math.min(original.split('\n').length + 1, 24)
      content.replaceChildren(text, verdict)
      check()
      text.focus()
    } else {
      content.replaceChildren(...shownDetails)
      plain.querySelector('button')?.focus()
    }
  }
  function check(): void {
    const read = readObject(text.value)
    const wrong = 'fault' in read
    text.setAttribute('aria-invalid', String(wrong))
    approveEdit.disabled = wrong || changesBetween(details, read.value).length === 0
    if (!wrong) {
      verdict.replaceChildren(changeList(details, read.value))
      return
    }
    const show = (): void => {
      text.focus()
      text.setSelectionRange(read.at, read.at + 1)
    }
    const place = button(`Line ${read.line}, column ${read.column}`, show, undefined, { class: 'link' })
    verdict.replaceChildren(h('p', { class: 'fault' }, place, `: ${read.fault}.`))
  }
  async function sendEdit(): Promise<void> {
    const read = readObject(text.value)
    if ('value' in read && !approveEdit.disabled) await decide('approved', read.value)
  }
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void sendEdit()
  })
  editing.hidden = true
  return h(
    'div',
    { class: 'decide', role: 'group', 'aria-label': 'Decide' },
    h('label', { for: 'note', class: 'unseen' }, 'Note'),
    note,
    plain,
    editing,
  )
}
