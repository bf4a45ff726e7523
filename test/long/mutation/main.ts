import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { Mutant } from './mutant.js'
import { mutants } from './mutants.js'
import { runTests, type Verdict } from './suite.js'
import { Tree } from './tree.js'

/*
 * Removes the guards of the library one at a time, in a private copy, and prints which test fails. Exits with an error
 * if no test fails.
 * Use: node dist/test/long/mutation/main.js [--only 'text of a guard or a file'] [--sample 200 --seed 7] [--jobs 2]
 * [--quick] --quick only runs the tests named in the list; by default all tests run if none of these fails. A sample is
 * drawn by the printed seed.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    sample: { type: 'string', default: 'all' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})

// Copies and test runs end when this process does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const named = mutants.filter(({ guard, file }) => guard.includes(values.only) || file.includes(values.only))
const chosen = values.sample === 'all' ? named : draw(named, Number(values.sample), Number(values.seed))
const queue = [...chosen]
const verdicts: Verdict['kind'][] = []

/** A sample of a list by a seed: the first items in the order of their digests. */
function draw(list: readonly Mutant[], count: number, seed: number): readonly Mutant[] {
  console.log(`a sample of ${count} of ${list.length} mutants, seed ${seed}`)
  const place = ({ guard }: Mutant): string => createHash('sha256').update(`${seed} ${guard}`).digest('hex')
  return [...list].sort((a, b) => (place(a) < place(b) ? -1 : 1)).slice(0, count)
}

function openTree(): Tree {
  const tree = new Tree(process.cwd())
  process.once('exit', () => tree.remove())
  return tree
}

async function test(tree: Tree, files: readonly string[]): Promise<Verdict> {
  if (files.length === 0 || tree.needBuild(files)) tree.build()
  return runTests(tree.root, files)
}

/** Runs the named tests one by one, and all tests if none of them fails. */
async function judge(tree: Tree, mutant: Mutant): Promise<Verdict> {
  const undo = tree.change(mutant)
  let verdict: Verdict = { kind: 'survived' }
  try {
    for (const file of mutant.tests) {
      verdict = await test(tree, [file])
      if (verdict.kind !== 'survived') break
    }
    if (verdict.kind === 'survived' && !values.quick) verdict = await test(tree, [])
  } finally {
    undo()
  }
  return verdict.kind === 'killed' && verdict.timedOut ? confirm(tree, verdict) : verdict
}

/** A time-out counts as a failure only if the test passes without the change. */
async function confirm(tree: Tree, verdict: Extract<Verdict, { kind: 'killed' }>): Promise<Verdict> {
  if (tree.needBuild([verdict.file])) tree.build()
  const { kind } = await runTests(tree.root, [verdict.file], verdict.title)
  return kind === 'survived' ? verdict : { kind: 'broken', why: `too slow here: ${verdict.file} › ${verdict.title}` }
}

function describe(verdict: Verdict): string {
  if (verdict.kind === 'killed') return `${verdict.file} › ${verdict.title}`
  return verdict.kind === 'survived' ? 'SURVIVED' : `BROKEN: ${verdict.why}`
}

async function work(tree: Tree): Promise<void> {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const from = performance.now()
    const verdict = await judge(tree, mutant)
    verdicts.push(verdict.kind)
    console.log(`| ${mutant.guard} | ${describe(verdict)} | ${((performance.now() - from) / 1000).toFixed(1)} |`)
  }
}

const first = openTree()
const sound = await test(first, [...new Set(chosen.flatMap(({ tests }) => tests))])
if (sound.kind !== 'survived') throw new Error(`the tests fail without any change: ${describe(sound)}`)

console.log('| guard | killed by | seconds |\n| --- | --- | ---: |')
const others = Array.from({ length: Math.max(Number(values.jobs) - 1, 0) }, openTree)
await Promise.all([first, ...others].map(work))

const killed = verdicts.filter((kind) => kind === 'killed').length
console.log(`\nkilled ${killed} / ${chosen.length}`)
if (killed < chosen.length) process.exitCode = 1
