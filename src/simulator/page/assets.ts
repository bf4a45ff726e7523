import { readFileSync } from 'node:fs'

/**
 * A file of the page by its name, or `undefined`. The build replaces this module by one that holds all files, scripts
 * too (write-assets.mjs), so that a bundler takes them along; here they lie beside it, and scripts are not compiled.
 */
export function asset(name: string): string | undefined {
  try {
    return readFileSync(new URL(`assets/${name}`, import.meta.url), 'utf8')
  } catch {
    return undefined
  }
}
