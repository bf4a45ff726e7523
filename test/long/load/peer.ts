import type { ChildProcess } from 'node:child_process'
import { spawnFile } from '../../support/processes.js'
import type { Order, Said } from './messages.js'

/** A process of a run, as its driver sees it. */
export class Peer {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #heard: Said[] = []
  #exit: string | null = null
  #wake: () => void = () => {}

  constructor(file: URL, plan: object, execArgv: readonly string[] = []) {
    this.#name = file.pathname.split('/').at(-1) ?? ''
    this.#child = spawnFile(file, plan, execArgv)
    this.#child.on('message', (message) => {
      // Only files of this harness are started.
      this.#heard.push(message as Said)
      this.#wake()
    })
    this.#child.once('exit', (code, signal) => {
      this.#exit = `${this.#name} ended by itself (${signal ?? code})`
      this.#wake()
    })
  }

  /** Why the process ended, or `null` if it is alive. */
  get exit(): string | null {
    return this.#exit
  }

  tell(order: Order): void {
    if (this.#exit === null) this.#child.send(order)
  }

  /** Resolves with its next message, which must be of this kind. One caller at a time. Rejects if it has ended. */
  async hear<Kind extends Said['kind']>(kind: Kind): Promise<Extract<Said, { kind: Kind }>> {
    for (;;) {
      const said = this.#heard.shift()
      if (said !== undefined) {
        if (said.kind !== kind) throw new Error(`${this.#name} said ${said.kind}, where ${kind} was to come`)
        // Its kind was checked.
        return said as Extract<Said, { kind: Kind }>
      }
      if (this.#exit !== null) throw new Error(this.#exit)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async ask<Kind extends Said['kind']>(order: Order, kind: Kind): Promise<Extract<Said, { kind: Kind }>> {
    this.tell(order)
    return this.hear(kind)
  }

  kill(): void {
    if (this.#exit === null) this.#child.kill('SIGKILL')
  }
}
