import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, median, type Other, type Suite } from './figures.js'

/** Processor time that the import of each subpath takes beside that of the packages that it loads, each in a process of its own. */
export const imports: Suite = {
  name: 'imports',
  async run({ turns }) {
    const { name, exports, dependencies } = manifest()
    const subpaths = Object.entries(exports).flatMap(([subpath, target]) =>
      typeof target === 'string' ? [] : [{ name: join(name, subpath), packages: packagesOf(target.default) }],
    )
    // undici is loaded with the first call; an app that makes one pays for all.
    const all = Object.keys(dependencies).sort()
    const measured = [[], all, ...subpaths.map((each) => [each.name]), ...subpaths.map(({ packages }) => packages)]
    const sets = new Map(measured.map((names) => [names.join(' + '), { names, times: [] as number[] }]))
    // The first round fills the caches of the file system.
    for (let round = 0; round <= turns + 1; round++) {
      for (const { names, times } of sets.values()) {
        const ms = await importMs(names)
        if (round > 0) times.push(ms)
      }
    }
    const nothing = sets.get('')?.times ?? []
    const beyond = (set: string): readonly number[] =>
      (sets.get(set)?.times ?? []).map((ms, round) => ms - (nothing[round] ?? Number.NaN))
    return subpaths.map(({ name: subpath, packages }): Figure => {
      const own = beyond(subpath)
      const beside = (set: string, bar?: Other['bar']): Other => {
        const theirs = beyond(set)
        const ratio = median(own.map((ms, round) => ms / (theirs[round] ?? Number.NaN)))
        return { name: set, value: median(theirs), ratio, bar }
      }
      const others = [
        ...(packages.length === 0 ? [] : [beside(packages.join(' + '))]),
        ...(subpath === name ? [beside(all.join(' + '), { atMost: 1.05 })] : []),
      ]
      return { what: `import of ${subpath}`, unit: 'ms of processor', ours: median(own), others }
    })
  },
}

/** The packages that a module imports, itself or through other modules of this package. */
function packagesOf(file: string): readonly string[] {
  const seen = new Set([file])
  const packages = new Set<string>()
  for (const module of seen) {
    for (const [, from = ''] of readFileSync(module, 'utf8').matchAll(
      /^(?:import|export) (?:[^;'"]*? from )?'([^']+)'/gm,
    )) {
      if (from.startsWith('.')) seen.add(join(dirname(module), from))
      else if (!from.startsWith('node:')) packages.add(from)
    }
  }
  return [...packages].sort()
}

async function importMs(names: readonly string[]): Promise<number> {
  const loads = names.map((name) => `await import('${name}');`).join('')
  const code = `const start = process.cpuUsage();${loads}const { user, system } = process.cpuUsage(start);console.log((user + system) / 1_000)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code])
  return Number(stdout)
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly dependencies: Readonly<Record<string, string>>
}

function manifest(): Manifest {
  return JSON.parse(readFileSync('package.json', 'utf8')) as Manifest // the one of this package
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
    const dependencies = Object.keys(manifest().dependencies).map((name) => folderBytes(join('node_modules', name)))
    const sum = dependencies.reduce((all, each) => all + each, 0)
    return [
      { what: 'the package, packed', unit: 'bytes', ours: pack?.size ?? Number.NaN, others: [] },
      {
        what: 'the package, installed',
        unit: 'bytes',
        ours: pack?.unpackedSize ?? Number.NaN,
        others: [{ name: 'its dependencies', value: sum }],
      },
    ]
  },
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
