import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import type { Mutant } from './mutant.js'

/** A private copy of the work tree, to change and test without affecting the original. */
export class Tree {
  readonly root: string

  constructor(source: string) {
    this.root = mkdtempSync(join(tmpdir(), 'cheqpoint-mutation-'))
    const left = ['dist', '.git', '.tmp', 'coverage']
    cpSync(source, this.root, {
      recursive: true,
      filter(path) {
        const names = relative(source, path).split(sep)
        return !left.includes(names[0] ?? '') && !names.includes('node_modules')
      },
    })
    symlinkSync(resolve(source, 'node_modules'), join(this.root, 'node_modules'))
  }

  /** Makes the change. Returns a function that reverts it. Throws unless its text occurs exactly once. */
  change({ guard, file, find, replace }: Mutant): () => void {
    const path = join(this.root, file)
    const text = readFileSync(path, 'utf8')
    const [before, after, ...more] = text.split(find)
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`'${guard}': its text does not stand in ${file} exactly once`)
    writeFileSync(path, before + replace + after)
    return () => writeFileSync(path, text)
  }

  /** Whether these tests, or what they import from `test/support`, use the built package. */
  needBuild(tests: readonly string[]): boolean {
    return tests.some((file) => {
      const text = readFileSync(join(this.root, 'test', file), 'utf8')
      const support = [...text.matchAll(/from '(?:\.\.?\/)+(support\/[\w-]+)\.js'/g)].map(([, name]) => `${name}.ts`)
      return /from 'cheqpoint-callback|dist\//.test(text) || this.needBuild(support)
    })
  }

  /** Builds the tree even with type errors: the compiler is not a test. */
  build(): void {
    rmSync(join(this.root, 'dist'), { recursive: true, force: true })
    try {
      execFileSync(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: this.root, stdio: 'ignore' })
    } catch {
      // The compiler writes its output despite type errors.
    }
    execFileSync('npm', ['run', '--silent', 'build:page'], { cwd: this.root, stdio: 'ignore' })
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 })
  }
}
