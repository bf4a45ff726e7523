import { inspect } from 'node:util'

/** Part of every canary, so that one search finds any of them. */
export const canary = 'CANARY'

/** One word for each class of secret; letters and digits only, so that no escaping changes it. */
export const canaries = {
  key: 'CANARYkey8d21',
  callbackSecret: 'CANARYcallbackSecret5b07',
  details: 'CANARYdetails61f0',
  edit: 'CANARYedit94ce',
  note: 'CANARYnote2a7d',
  context: 'CANARYcontext3e58',
  handlerError: 'CANARYhandlerError70b9',
  result: 'CANARYresult1fc4',
  upstream: 'CANARYupstream86da',
  storeError: 'CANARYstoreError4d13',
  agent: 'CANARYagent59e2',
  claim: 'CANARYclaim0b76',
} as const

/** A token has no canary word: its MAC identifies it. */
export type SecretKind = keyof typeof canaries | 'token'

export interface Secret {
  readonly kind: SecretKind
  readonly value: string
}

export const standingSecrets: readonly Secret[] = Object.entries(canaries).map(([kind, value]) => ({
  // The keys are those of `canaries`.
  kind: kind as keyof typeof canaries,
  value,
}))

const token = /[A-Za-z0-9_-]{1,64}\.[0-9a-z]{1,12}\.([A-Za-z0-9_-]{43})/g

/** MACs of the tokens in a text, without the last letter, which an altered token does not share. */
export function tokensIn(text: string): readonly Secret[] {
  return [...text.matchAll(token)].map(([, mac = '']) => ({ kind: 'token', value: mac.slice(0, -1) }))
}

/** All encodings of a text that the search recognizes; `exact` if case matters. */
export function formsOf(value: string): { readonly exact: readonly string[]; readonly folded: readonly string[] } {
  const bytes = [...Buffer.from(value)]
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'))
  // In base64 a value starts at one of three offsets of a group; characters shared with its neighbours are cut off.
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]).toString('base64')
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  })
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  const folded = [
    value,
    ...[
      ['', ''],
      ['%', ''],
      ['\\x', ''],
      ['\\u00', ''],
      ['0x', ','],
      ['&#x', ';'],
    ].map(([before = '', after = '']) => hex.map((byte) => `${before}${byte}`).join(after)),
    bytes.join(','),
  ]
  return { exact: [...new Set([...base64, ...url])], folded: folded.map((form) => form.toLowerCase()) }
}

/** Returns the secrets in a text, in any encoding. */
export function searchFor(secrets: readonly Secret[]): (text: string) => readonly SecretKind[] {
  const known = secrets.map(({ kind, value }) => ({ kind, ...formsOf(value) }))
  return (text) => {
    const lower = text.toLowerCase()
    // Dumps separate bytes by spaces, UTF-16 by zeros, and lists by line breaks.
    const squeezed = lower.replace(/[\s\0]/g, '')
    const found = known.filter(
      ({ exact, folded }) =>
        exact.some((form) => text.includes(form)) ||
        folded.some((form) => lower.includes(form) || squeezed.includes(form)),
    )
    return [...new Set(found.map(({ kind }) => kind))]
  }
}

/** A value as logs show it: as JSON, as by `console.log`, and as a copy. */
export function shown(value: unknown): string {
  const copy = typeof value === 'object' && value !== null ? { ...value } : value
  return [json(value), inspect(value, whole), inspect(copy, whole), text(value)].join('\n')
}

/** Everything reachable from a value: hidden properties, causes, bytes, names, stacks. */
export function everything(value: unknown): string {
  const texts: string[] = []
  const seen = new Set<object>()
  const visit = (each: unknown): void => {
    if (typeof each === 'string' || typeof each === 'symbol') texts.push(String(each))
    if ((typeof each !== 'object' && typeof each !== 'function') || each === null || seen.has(each)) return
    seen.add(each)
    if (each instanceof ArrayBuffer) texts.push(Buffer.from(each).toString('latin1'))
    if (ArrayBuffer.isView(each))
      return void texts.push(Buffer.from(each.buffer, each.byteOffset, each.byteLength).toString('latin1'))
    if (each instanceof Map || each instanceof Set || each instanceof Headers) for (const entry of each) visit(entry)
    for (const key of Reflect.ownKeys(each)) {
      visit(key)
      visit(read(each, key))
    }
  }
  visit(value)
  return [shown(value), inspect(value, { ...whole, showHidden: true }), ...texts].join('\n')
}

const whole = { depth: 10, maxStringLength: null, maxArrayLength: null, breakLength: Number.POSITIVE_INFINITY }

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return ''
  }
}

function text(value: unknown): string {
  try {
    return String(value)
  } catch {
    // An object without a prototype cannot be converted to a string.
    return ''
  }
}

function read(from: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(from, key)
  } catch {
    return undefined
  }
}
