import type { JsonMap } from '../view.js'

/** A JSON object, or the first error in its text. `line` and `column` count from 1. */
export type Reading =
  | { readonly value: JsonMap }
  | { readonly fault: string; readonly at: number; readonly line: number; readonly column: number }

class Fault extends Error {}

/**
 * Parses a JSON object. Browsers report the place of an error in different ways or not at all, and silently use the
 * last of duplicate keys; this parser reports both with their place.
 */
export function readObject(text: string): Reading {
  let at = 0

  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  function expect(pattern: RegExp, what: string): string {
    take(/[ \t\r\n]*/y)
    const found = take(pattern)
    if (found === undefined)
      throw new Fault(at === text.length ? `The text ends where ${what} should be` : `Expected ${what}`)
    return found
  }
  /** Reads comma-separated items up to the closing bracket. */
  function items(close: RegExp, item: () => void, what: string): void {
    take(/[ \t\r\n]*/y)
    if (take(close) !== undefined) return
    for (;;) {
      item()
      if (expect(new RegExp(`,|${close.source}`, 'y'), what) !== ',') return
    }
  }
  function object(): void {
    const keys = new Set<string>()
    items(
      /\}/y,
      () => {
        const key = expect(string, 'a key in double quotes')
        const name = String(JSON.parse(key))
        if (keys.has(name)) {
          at -= key.length
          throw new Fault(`The key ${key} is there already`)
        }
        keys.add(name)
        expect(/:/y, 'a colon')
        value()
      },
      'a comma or }',
    )
  }
  function value(): void {
    const start = expect(/[{[]|"|-?\d|true\b|false\b|null\b/y, 'a value')
    if (start === '{') object()
    else if (start === '[') items(/\]/y, value, 'a comma or ]')
    else if (!/^[tfn]/.test(start)) {
      at -= start.length
      if (start === '"') expect(string, 'a complete string, with line breaks written as \\n')
      else expect(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y, 'a number in JSON format')
    }
  }

  try {
    expect(/\{/y, 'an object, which starts with {')
    object()
    expect(/$/y, 'nothing more')
    return { value: JSON.parse(text) }
  } catch (error) {
    const before = text.slice(0, at).split('\n')
    const fault = error instanceof Fault ? error.message : 'This is not JSON'
    return { fault, at, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
  }
}

// Unrolled, so that an unterminated string costs no more than a terminated one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON forbids in a string
const string = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y
