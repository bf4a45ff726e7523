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

/** Writes the rows of these runs in the marked part of the page, and keeps the other rows. */
export function writeReport(figures: readonly Figures[]): void {
  const page = readFileSync(file, 'utf8')
  const old = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end))
  const fresh = new Set(figures.map(({ run }) => run))
  const kept = old.split('\n').filter((line) => /^\| F\d/.test(line) && !fresh.has(line.split(' ')[1] ?? ''))
  const rows = [...kept, ...figures.map(rowOf)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  const table = [writeRow(heads), writeRow(heads.map(() => '---')), ...rows].join('\n')
  writeFileSync(
    file,
    page.replace(`${begin}${old}`, () => `${begin}\n${table}\n`),
  )
}

const heads = ['run', 'faults', 'seed', 'requests', 'lost', 'doubled', 'p99, ms', 'notes', 'made'] as const

function rowOf({ run, title, seed, acked, lost, doubles, latencyMs, parked, notes, violations }: Figures): string {
  const doubled = Object.values(doubles.explained).reduce((sum, count) => sum + count, doubles.unexplained)
  const remarks = [
    ...(violations.length > 0 ? [`**violations: ${violations.length}**`] : []),
    ...(parked > 0 ? [`${parked} parked`] : []),
    ...notes,
  ]
  return writeRow([
    ...[run, title, seed, acked, lost, doubled, latencyMs.max === 0 ? '–' : latencyMs.p99],
    ...[remarks.join('; '), new Date().toISOString().slice(0, 10)],
  ])
}

function writeRow(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

function list(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  )
}
