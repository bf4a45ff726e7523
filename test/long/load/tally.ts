import type { Received } from '../../support/raw-http.js'
import type { AnswerCount } from './messages.js'

/** Counts responses by kind of request. */
export class Tally {
  readonly #counts = new Map<string, number>()
  /** There are few different bodies; each is parsed once. */
  readonly #codes = new Map<string, string>()

  count(sort: string, answer: Received | null): void {
    const key = answer === null ? `${sort} 0 -` : `${sort} ${answer.status} ${this.#codeOf(answer.body)}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  answers(): readonly AnswerCount[] {
    return [...this.#counts].map(([key, count]) => {
      const [sort = '', status = '', code = ''] = key.split(' ')
      return { sort, status: Number(status), code, count }
    })
  }

  #codeOf(body: string): string {
    const known = this.#codes.get(body)
    if (known !== undefined) return known
    const code = readCode(body)
    this.#codes.set(body, code)
    return code
  }
}

function readCode(body: string): string {
  try {
    const { result, code }: { readonly result?: unknown; readonly code?: unknown } = JSON.parse(body)
    return String(result ?? code ?? '-')
  } catch {
    return 'unreadable'
  }
}
