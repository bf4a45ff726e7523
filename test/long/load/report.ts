import { readFileSync, writeFileSync } from 'node:fs'
import { type Figures, list } from './figures.js'
import { bounds } from './messages.js'

const file = 'docs/load.md'
const begin = '<!-- load -->'
const end = '<!-- /load -->'

/** Maximum per second: a full bucket and the refill. */
const allowed = 2 * (bounds.callbackGets + bounds.sweepGets)

export function printFigures(figures: Figures, baseline: Figures | undefined): void {
  const { attack, host, seed, sent, handled, latencyMs, delayMs, violations } = figures
  console.log(
    `\n${attack.name}, ${host}, seed ${seed}: ${attack.title}; ${figures.seconds.toFixed(1)} s, load ${figures.load}`,
  )
  console.log(`  attack: ${sent} sent, ${figures.sentPerSecond} a second; answers: ${list(figures.answers)}`)
  const beside = baseline === undefined ? '' : ` (without attack ${latencyMsOf(baseline)})`
  console.log(
    `  genuine: ${handled} of ${figures.size.genuine} handled, ${figures.byCallback} by their callback; p50 · p99 · max ${latencyMs.p50} · ${latencyMs.p99} · ${latencyMs.max} ms${beside}; answers: ${list(figures.genuineAnswers)}`,
  )
  console.log(
    `  event-loop delay p99 ${delayMs.p99.toFixed(1)} ms, max ${delayMs.max.toFixed(1)} ms; heap ${megabytes(figures.heapBytes)} MB, RSS ${megabytes(figures.rssBytes)} MB (before · peak · after)`,
  )
  console.log(`  processor time of the receiver ${figures.cpuSeconds.toFixed(2)} s`)
  console.log(
    `  GETs: ${figures.gets}, at most ${figures.mostGetsInASecond} in a second; ${allowed} allowed, and those that a stall delayed`,
  )
  console.log(`  handles before: ${figures.handles[0]}; after: ${figures.handles[1]}`)
  for (const { law, what } of violations.slice(0, 20)) console.log(`  VIOLATED ${law}: ${what}`)
  console.log(violations.length === 0 ? '  all laws hold' : `  ${violations.length} violations`)
}

/** Replaces the table in the marked part of the page: one row for each attack. */
export function writeReport(all: readonly Figures[]): void {
  const page = readFileSync(file, 'utf8')
  const old = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end))
  const attacks = new Map(all.map(({ attack }) => [attack.name, all.filter((each) => each.attack === attack)]))
  const rows = [heads, heads.map(() => '---'), ...[...attacks.values()].map(rowOf)]
  const table = rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  const made = `${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}, seed ${all[0]?.seed}`
  writeFileSync(
    file,
    page.replace(`${begin}${old}`, () => `${begin}\n${table}\n\nMade ${made}.\n`),
  )
}

const heads = ['attack', 'requests/s', 'by callback', 'p99, ms', 'most GETs/s', 'peak heap, MB'] as const

/** The figures of both hosts for one attack. */
function rowOf(hosts: readonly Figures[]): readonly string[] {
  const beside = (pick: (figures: Figures) => number): string => hosts.map((each) => grouped(pick(each))).join('/')
  const broken = hosts.reduce((sum, { violations }) => sum + violations.length, 0)
  return [
    `${hosts[0]?.attack.title}${broken > 0 ? ` **violations: ${broken}**` : ''}`,
    ...[beside(({ sentPerSecond }) => sentPerSecond), beside(({ byCallback }) => byCallback)],
    ...[beside(({ latencyMs }) => latencyMs.p99), beside(({ mostGetsInASecond }) => mostGetsInASecond)],
    beside(({ heapBytes: [, peak] }) => Math.round(peak / 1_048_576)),
  ]
}

function latencyMsOf({ latencyMs: { p50, p99, max } }: Figures): string {
  return [p50, p99, max].map(grouped).join(' · ')
}

function megabytes(bytes: readonly number[]): string {
  return bytes.map((each) => (each / 1_048_576).toFixed(0)).join(' · ')
}

function grouped(count: number): string {
  return count.toLocaleString('en')
}
