import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Starts a file as a process with a plan as argument. It must exit by itself when its parent does. */
export function spawnFile(file: URL, plan: object, execArgv: readonly string[] = []): ChildProcess {
  return fork(fileURLToPath(file), [JSON.stringify(plan)], { stdio: 'inherit', execArgv: [...execArgv] })
}
