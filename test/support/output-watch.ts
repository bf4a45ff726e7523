import { format } from 'node:util'
import { canary, formsOf } from './canaries.js'

/** The output channels of this process. */
type Channel = 'console' | 'stdout' | 'stderr' | 'warning' | 'rejection' | 'exception'

/** A printed secret: its channel and kind, never the secret itself. */
export interface Leak {
  readonly channel: Channel
  readonly kind: string
  /** The surrounding text, with the secret masked. */
  readonly around: string
}

const { exact, folded } = formsOf('cq_live_')
const encodedKey = [...exact, ...folded.slice(1)]
  .map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  .join('|')

/** The forms of the tests' secrets. Every new secret of a test must have one of them. */
const patterns: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['key', /cq_live_\w+/],
  ['encoded key', new RegExp(encodedKey)],
  ['callback secret', /\b(?:a|the)(?: old| new)? secret(?: of|,) [\w ]+/],
  ['token', /[\w-]{1,64}\.[0-9a-z]{1,12}\.[\w-]{43}(?![\w-])/],
  ['canary', new RegExp(`${canary}\\w*`, 'i')],
]

/** Whether the watch would find this text. */
export function isWatched(text: string): boolean {
  return patterns.some(([, pattern]) => pattern.test(text))
}

/** Watches all output of this process for the tests' secrets, until it is stopped. */
export function watchOutput(): { readonly stop: () => readonly Leak[] } {
  const leaks: Leak[] = []
  const undo: (() => void)[] = []

  function look(channel: Channel, text: string): void {
    for (const [kind, pattern] of patterns) {
      const found = pattern.exec(text)
      if (found === null) continue
      const { index } = found
      const around = `${text.slice(Math.max(0, index - 40), index)}•••${text.slice(index + found[0].length).slice(0, 40)}`
      leaks.push({ channel, kind, around })
    }
  }

  /** Wraps a method and inspects its arguments. */
  function tap<Target extends object>(target: Target, name: keyof Target & string, channel: Channel): void {
    const method: unknown = target[name]
    if (typeof method !== 'function') return
    const tapped = (...args: unknown[]): unknown => {
      look(
        channel,
        args.map((each) => (each instanceof Uint8Array ? Buffer.from(each).toString() : format(each))).join(' '),
      )
      return method.apply(target, args)
    }
    Object.defineProperty(target, name, { value: tapped, configurable: true, writable: true })
    undo.push(() => Object.defineProperty(target, name, { value: method, configurable: true, writable: true }))
  }

  function hear(event: string, channel: Channel): void {
    const listener = (reason: unknown): void => look(channel, format(reason))
    process.on(event, listener)
    undo.push(() => process.off(event, listener))
  }

  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table', 'group', 'assert'] as const) {
    tap(console, name, 'console')
  }
  tap(process.stdout, 'write', 'stdout')
  tap(process.stderr, 'write', 'stderr')
  hear('warning', 'warning')
  hear('unhandledRejection', 'rejection')
  hear('uncaughtExceptionMonitor', 'exception')

  return {
    stop() {
      for (const each of undo.splice(0)) each()
      return leaks
    },
  }
}
