import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Runs a script of this folder in a process of its own and answers the JSON that it prints. */
export async function runScript(
  file: string,
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<Readonly<Record<string, number>>> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, path, ...args])
  // The scripts of this folder print one object of numbers.
  return JSON.parse(stdout) as Readonly<Record<string, number>>
}
