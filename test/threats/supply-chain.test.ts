import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

// What npm wrote, and what this package says of itself.
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly lockfileVersion: number
  readonly packages: Readonly<Record<string, Locked>>
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Locked & { readonly name: string }

/** Every installed package by name, however deep, with its entry. */
const installed: readonly (readonly [name: string, Locked])[] = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => [path.split('node_modules/').at(-1) ?? path, entry])

/** What an installation of this package brings along. */
const production = installed.filter(([, { dev }]) => dev !== true)

function atLeast(version: string, floor: string): boolean {
  const [left, right] = [version, floor].map((text) => text.split('.').map(Number))
  for (const at of [0, 1, 2]) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/**
 * The lowest versions without a known fault that concerns a receiver: decompression without bound and credentials sent
 * on in undici, ways around body limits in Hono, parsers that a body can stop in body-parser.
 */
const floors: Readonly<Record<string, string>> = { undici: '7.29.1', hono: '4.13.5', 'body-parser': '2.2.1' }

describe('the lock file', () => {
  it.each(Object.entries(floors))('T97: has %s at %s or above, wherever it is installed', (name, floor) => {
    const versions = installed.filter(([each]) => each === name).map(([, { version = '' }]) => version)
    expect(versions.length).toBeGreaterThan(0)
    // The parser of Express 4 never had the fault of body-parser 2.2.0.
    const concerned = versions.filter((version) => !(name === 'body-parser' && version.startsWith('1.')))
    for (const version of concerned) expect(atLeast(version, floor), version).toBe(true)
  })

  it('T97: is what is installed: the version that is loaded is the one that is locked', () => {
    for (const name of Object.keys(floors)) {
      const { version }: Locked = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'))
      expect(version).toBe(lock.packages[`node_modules/${name}`]?.version)
    }
  })

  it('T97: and the manifest allow no older version, neither as a dependency nor as a peer', () => {
    const ranges = { ...manifest.peerDependencies, ...manifest.dependencies }
    for (const name of ['undici', 'hono']) {
      const lowest = /^(?:\^|>=)(\d+\.\d+\.\d+)$/.exec(ranges[name] ?? '')?.[1] ?? '0'
      expect(atLeast(lowest, floors[name] ?? ''), `${name} ${ranges[name]}`).toBe(true)
    }
    // Express brings its own body-parser, and this package parses every body itself.
    expect(ranges['body-parser']).toBeUndefined()
  })

  it('T98: names no package of the vendor: an SDK name that is not published could be taken', () => {
    expect(manifest.name).toBe('cheqpoint-callback')
    const names = installed.flatMap(([name, { dependencies, peerDependencies }]) => [
      name,
      ...Object.keys({ ...dependencies, ...peerDependencies }),
    ])
    expect(names.length).toBeGreaterThan(100)
    expect(names.filter((name) => /cheqpoint/i.test(name))).toEqual([])
  })

  it('T98: has a digest of every package, none from elsewhere, and no install script of one that is shipped', () => {
    expect(lock.lockfileVersion).toBe(3)
    for (const [name, { integrity, resolved, link }] of installed) {
      expect(integrity, name).toMatch(/^sha512-/)
      // Where a place is named at all it is a registry's, not a repository, a tarball of somebody or a folder.
      expect([resolved ?? 'https://', link ?? false], name).toEqual([expect.stringMatching(/^https:/), false])
    }
    expect(production.map(([name]) => name).toSorted()).toEqual(['lru-cache', 'tinyqueue', 'undici', 'zod'])
    expect(production.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([])
  })
})
