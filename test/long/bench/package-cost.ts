import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, inTurns, type Suite } from './figures.js'

/** Import time of each subpath beside that of what it depends on, each in a process of its own. */
export const imports: Suite = {
  name: 'imports',
  async run({ rounds }) {
    const core = ['undici', 'zod', 'lru-cache']
    const subpaths: readonly (readonly [string, readonly string[]])[] = [
      ['cheqpoint-callback', core],
      ['cheqpoint-callback/express', core],
      ['cheqpoint-callback/hono', core],
      ['cheqpoint-callback/redis', []],
      ['cheqpoint-callback/simulator', []],
      ['cheqpoint-callback/testing', core],
    ]
    const figures: Figure[] = []
    for (const [name, dependencies] of subpaths) {
      const times = await inTurns(rounds * 3, {
        ours: () => importMs([name]),
        dependencies: () => importMs(dependencies),
        nothing: () => importMs([]),
      })
      const bar = name === 'cheqpoint-callback' ? { atMost: 1.15 } : undefined
      const others = [{ name: dependencies.join(' + '), value: times.dependencies - times.nothing, bar }]
      figures.push({
        what: `import of ${name}`,
        unit: 'ms',
        ours: times.ours - times.nothing,
        others: dependencies.length > 0 ? others : [],
      })
    }
    return figures
  },
}

async function importMs(names: readonly string[]): Promise<number> {
  const code = `const start = performance.now();${names.map((name) => `await import('${name}');`).join('')}console.log(performance.now() - start)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code])
  return Number(stdout)
}

/** Bytes of the package, packed and installed, beside its dependencies. */
export const sizes: Suite = {
  name: 'sizes',
  async run() {
    const told = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // As npm documents it.
    const [pack] = JSON.parse(String(told)) as { readonly size: number; readonly unpackedSize: number }[]
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly dependencies: object }
    const dependencies = Object.keys(manifest.dependencies).map((name) => folderBytes(join('node_modules', name)))
    const sum = dependencies.reduce((all, each) => all + each, 0)
    return [
      { what: 'the package, packed', unit: 'bytes', ours: pack?.size ?? Number.NaN, others: [] },
      {
        what: 'the package, installed',
        unit: 'bytes',
        ours: pack?.unpackedSize ?? Number.NaN,
        others: [{ name: 'its three dependencies', value: sum }],
      },
    ]
  },
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
