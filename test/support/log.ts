import { openSync, readFileSync, writeSync } from 'node:fs'

/** One line of a log: time (ms since the epoch), kind, and further words. */
export interface Entry {
  readonly at: number
  readonly kind: string
  readonly words: readonly string[]
}

/**
 * Appends lines to a file, each in one synchronous write: many processes can write at the same time, and a killed one
 * leaves complete lines. Lines are in the order of the events.
 */
export class Log {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(kind: string, ...words: readonly (string | number)[]): void {
    writeSync(this.#file, `${[Date.now(), kind, ...words].join(' ')}\n`)
  }
}

export function readLog(path: string): readonly Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map(parseLine)
}

export function parseLine(line: string): Entry {
  const [at = '', kind = '', ...words] = line.split(' ')
  return { at: Number(at), kind, words }
}
