import { readFileSync, writeFileSync } from 'node:fs'
import type { Figures } from './figures.js'

const file = 'docs/reliability.md'
const begin = '<!-- chaos -->'
const end = '<!-- /chaos -->'

export function printFigures(figures: Figures): void {
  const { doubles, latencyMs, violations } = figures
  console.log(`  ${figures.versions}; size ${figures.size}, ${figures.seconds} s; faults: ${list(figures.faults)}`)
  console.log(
    `  acked ${figures.acked}, lost ${figures.lost}, doubles explained: ${list(doubles.explained)}, unexplained: ${doubles.unexplained}, completed twice ${figures.completedTwice}, stale completions refused ${figures.staleRefused}, parked ${figures.parked}, broken-off submissions kept ${figures.orphans}`,
  )
  console.log(
    `  GETs per decision ${figures.getsPerDecision.toFixed(2)}; answers: ${list(figures.answers)}; decision to effect p50 ${latencyMs.p50}, p95 ${latencyMs.p95}, p99 ${latencyMs.p99}, max ${latencyMs.max} ms; recovery ${figures.recoveryMs} ms; ${figures.bytesPerKey ?? '–'} bytes per entry`,
  )
  for (const note of figures.notes) console.log(`  ${note}`)
  for (const { law, id, what } of violations.slice(0, 20)) console.log(`  VIOLATED ${law} ${id}: ${what}`)
  console.log(violations.length === 0 ? '  all laws hold' : `  ${violations.length} violations`)
}

/** Writes the rows of these runs anew in the marked part of the page, and leaves those of the others. */
export function writeReport(figures: readonly Figures[]): void {
  const page = readFileSync(file, 'utf8')
  const old = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end))
  const fresh = new Set(figures.map(({ run }) => run))
  const [first = [], second = []] = old.split('\n\n').map((table) => rowsOf(table, fresh))
  const tables = [
    writeTable(outcomeHeads, [...first, ...figures.map(outcomeRow)]),
    writeTable(detailHeads, [...second, ...figures.map(detailRow)]),
  ]
  writeFileSync(
    file,
    page.replace(`${begin}${old}`, () => `${begin}\n${tables.join('\n\n')}\n`),
  )
}

/** The rows of a table, but those of the named runs. */
function rowsOf(table: string, except: ReadonlySet<string>): readonly string[] {
  const rows = table.split('\n').filter((line) => /^\| F\d/.test(line))
  return rows.filter((row) => !except.has(row.split(' ')[1] ?? ''))
}

function writeTable(heads: readonly string[], rows: readonly string[]): string {
  const sorted = [...rows].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  return [writeRow(heads), writeRow(heads.map(() => '---')), ...sorted].join('\n')
}

function writeRow(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

const outcomeHeads = [
  ...['run', 'what', 'seed', 'injected faults', 'acked', 'lost', 'doubles, explained by'],
  ...['doubles, unexplained', 'completed twice', 'stale completions refused', 'parked', 'laws'],
]

function outcomeRow(figures: Figures): string {
  const { run, title, seed, faults, acked, lost, doubles, completedTwice, staleRefused, parked, violations } = figures
  const laws = violations.length === 0 ? 'hold' : `${violations.length} violations`
  return writeRow([
    ...[run, title, seed, list(faults), acked, lost, list(doubles.explained), doubles.unexplained],
    ...[completedTwice, staleRefused, parked, laws],
  ])
}

const detailHeads = [
  ...['run', 'GETs per decision', 'answers to callbacks', 'decision to effect, ms: p50 · p95 · p99 · max'],
  ...['last fault to last effect, ms', 'bytes per entry', 'seconds', 'notes', 'made'],
]

function detailRow(figures: Figures): string {
  const { run, getsPerDecision, answers, latencyMs, recoveryMs, bytesPerKey, seconds, notes, versions } = figures
  const { p50, p95, p99, max } = latencyMs
  return writeRow([
    ...[run, getsPerDecision.toFixed(2), list(answers), max === 0 ? '–' : [p50, p95, p99, max].join(' · ')],
    ...[recoveryMs, bytesPerKey ?? '–'],
    ...[seconds, notes.join('; '), `${new Date().toISOString().slice(0, 10)}, ${versions}`],
  ])
}

function list(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  )
}
