import { inspect } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** The parts of a stream that are used. */
export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Where a command prints. */
export interface Terminal {
  /** Prints a report at once; the last one is returned instead. */
  print(report: { readonly text: string; readonly document: unknown }): void
  paint(style: Style, text: string): string
}

/** Creates a terminal for text or JSON, with or without colours. */
export function createTerminal(stream: Output, env: NodeJS.ProcessEnv, json: boolean): Terminal {
  const colour = !json && stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  return {
    print: ({ text, document }) => void stream.write(`${json ? jsonOf(document) : text}\n`),
    paint(style, text) {
      const [on, off] = inspect.colors[style] ?? []
      return colour ? `\u001b[${on}m${text}\u001b[${off}m` : text
    },
  }
}

const control = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** Makes control characters in untrusted text visible, so that the terminal does not execute them. */
export function plain(text: string): string {
  return text.replaceAll(control, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`)
}

/** The same for JSON, which by itself escapes some of them. In JSON text they occur only within strings. */
function jsonOf(document: unknown): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(document).replaceAll(control, (sign) => sign.split('').map(escaped).join(''))
}

/** Aligns rows: each column is as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const width = (at: number): number => Math.max(...rows.map((row) => row[at]?.length ?? 0))
  return rows.map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(width(at) + 2))).join(''))
}

/** Formats a field for people: `ageMs` of 5,000 becomes an age of 5 s. */
export function fact(name: string, value: unknown): readonly [name: string, value: string] {
  const title = name.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  if (value === null || value === '') return [title, '-']
  if (name.endsWith('Ms')) return [title, duration(Number(value))]
  return [title, plain(Array.isArray(value) ? value.join(' ') || '-' : String(value))]
}

/** Formats a duration for people. */
export function duration(ms: number): string {
  if (ms < 0) return `${duration(-ms)} ago`
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}

/** A URL without its secrets: credentials, and the token in the query. */
export function shownUrl({ protocol, host, pathname, search }: URL): string {
  return `${protocol}//${host}${pathname.replace(/\/$/, '')}${search === '' ? '' : '?…'}`
}

/** The end of a key, to tell several keys apart. */
export function shownKey(key: string): string {
  return key.length < 12 ? '…' : `…${key.slice(-4)}`
}
