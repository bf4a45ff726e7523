import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The parts of another build that are measured here. They have the names of this one's, as far as they are used. */
interface Modules {
  readonly '.': typeof import('cheqpoint-callback')
  readonly './hono': typeof import('cheqpoint-callback/hono')
}

/** A subpath of another build of this library, whose package is in this folder, as its manifest says. */
export async function importFrom<Subpath extends keyof Modules>(
  folder: string,
  subpath: Subpath,
): Promise<Modules[Subpath]> {
  const manifest = JSON.parse(readFileSync(resolve(folder, 'package.json'), 'utf8')) as {
    readonly exports?: Readonly<Record<string, { readonly default?: string }>>
  }
  const file = manifest.exports?.[subpath]?.default
  if (file === undefined) throw new Error(`the package in ${folder} does not export ${subpath}`)
  return (await import(pathToFileURL(resolve(folder, file)).href)) as Modules[Subpath]
}
