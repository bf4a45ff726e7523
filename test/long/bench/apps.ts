import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a process has used since it started. */
export interface Usage {
  /** User and system, milliseconds. */
  readonly cpuMs: number
  /** Time in garbage collection, milliseconds. */
  readonly gcMs: number
}

/** A process that serves on a port and tells what it uses. */
export interface App {
  readonly url: string
  readonly usage: () => Promise<Usage>
  readonly stop: () => Promise<void>
}

/** Starts a script of this folder with its arguments; it must call `serveUsage`. */
export async function startApp(file: string, args: readonly string[]): Promise<App> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const port = await nextMessage<number>(child)
  return {
    url: `http://127.0.0.1:${port}/hook`,
    usage() {
      child.send('usage')
      return nextMessage<Usage>(child)
    },
    async stop() {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    },
  }
}

/** The next message of a child, as its script sends it. Rejects where the child ends first. */
export async function nextMessage<Value>(child: ChildProcess): Promise<Value> {
  const listening = new AbortController()
  const { signal } = listening
  const end = (): never => {
    throw new Error(`${child.spawnargs.join(' ')} ended by itself`)
  }
  try {
    const [told] = await Promise.race([once(child, 'message', { signal }), once(child, 'exit', { signal }).then(end)])
    // The caller names what its script sends.
    return told as Value
  } finally {
    listening.abort()
  }
}
