import type { Json } from '../view.js'

type Child = Node | string | false | null
type Props = Readonly<Record<string, string | number | boolean | null | ((event: Event) => void)>>

/** Creates an element. Text becomes text nodes, so data of a request is never parsed as markup. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== false && child !== null))
  return element
}

/** Creates a button; `key` is its keyboard shortcut. */
export function button(label: string, press: () => void, key?: string, props: Props = {}): HTMLButtonElement {
  const shortcut = key === undefined ? {} : { 'aria-keyshortcuts': key }
  const hint = key !== undefined && h('kbd', { 'aria-hidden': 'true' }, key === 'Escape' ? 'esc' : key)
  return h('button', { type: 'button', click: press, ...shortcut, ...props }, label, hint)
}

/** Returns an element of the page's markup. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/** Returns a control of the page's markup. Selects and buttons share the properties of an input that are used here. */
export function field(id: string): HTMLInputElement {
  return byId(id) as HTMLInputElement // the markup is fixed
}

/** Makes `wanted` the children of `parent`. Children that stay are not touched, so they keep focus and scroll. */
export function fill(parent: HTMLElement, wanted: readonly Node[]): void {
  const focused = document.activeElement?.id
  const keep = new Set(wanted)
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove()
  let next = parent.firstChild
  for (const node of wanted) {
    if (node === next) next = next.nextSibling
    else parent.insertBefore(node, next)
  }
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus()
}

/** Caches elements by key. Rebuilds one only when its data is another object. */
export function memo<Shown>(build: (shown: Shown, before: HTMLElement | undefined) => HTMLElement) {
  const built = new Map<string, { readonly of: Shown; readonly element: HTMLElement }>()
  return (key: string, of: Shown): HTMLElement => {
    const before = built.get(key)
    if (before?.of === of) return before.element
    const element = build(of, before?.element)
    built.set(key, { of, element })
    // The page no longer shows the oldest.
    for (const oldest of [...built.keys()].slice(0, -1_000)) built.delete(oldest)
    return element
  }
}

export function time(iso: string): HTMLTimeElement {
  const date = new Date(iso)
  const text = date.toLocaleTimeString(undefined, { hourCycle: 'h23' })
  return h('time', { datetime: iso, title: date.toLocaleString() }, text)
}

export const pretty = (value: Json): string => JSON.stringify(value, null, 2)

/** Creates a block of code. It is focusable, so that the keyboard can scroll it. */
export function block(label: string, ...children: Child[]): HTMLPreElement {
  return h('pre', { tabindex: 0, role: 'group', 'aria-label': label }, ...children)
}

/** Creates a block of highlighted JSON. */
export function json(value: Json, label: string): HTMLPreElement {
  const text = pretty(value)
  const parts: Child[] = []
  let end = 0
  for (const found of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    const [whole, string, colon] = found
    const kind = colon !== undefined ? 'key' : string !== undefined ? 'string' : 'other'
    parts.push(text.slice(end, found.index), h('span', { class: kind }, string ?? whole), colon ?? null)
    end = found.index + whole.length
  }
  return block(label, ...parts, text.slice(end))
}
