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
    `  GETs per decision ${figures.getsPerDecision.toFixed(2)}; answers: ${list(figures.answers)}; decision to effect p50 ${latencyMs.p50}, p95 ${latencyMs.p95}, p99 ${latencyMs.p99}, max ${latencyMs.max} ms; recovery ${figures.recoveryMs} ms; ${figures.bytesPerKey} bytes per entry`,
  )
  for (const note of figures.notes) console.log(`  ${note}`)
  for (const { law, id, what } of violations.slice(0, 20)) console.log(`  VIOLATED ${law} ${id}: ${what}`)
  console.log(violations.length === 0 ? '  all laws hold' : `  ${violations.length} violations`)
}

/** Rewrites the marked part of the page. */
export function writeReport(all: readonly Figures[]): void {
  const page = readFileSync(file, 'utf8')
  const before = page.slice(0, page.indexOf(begin) + begin.length)
  const after = page.slice(page.indexOf(end))
  writeFileSync(file, `${before}\n${tables(all)}\n${after}`)
}

function tables(all: readonly Figures[]): string {
  const [first] = all
  return [
    `${first?.versions ?? ''}. Made by \`npm run chaos\` on ${new Date().toISOString().slice(0, 10)}.`,
    '',
    '| run | what | seed | injected faults | acked | lost | doubles explained by · unexplained | completed twice | parked | laws |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...all.map(
      (each) =>
        `| ${each.run} | ${each.title} | ${each.seed} | ${list(each.faults)} | ${each.acked} | ${each.lost} | ${list(each.doubles.explained)} · ${each.doubles.unexplained} | ${each.completedTwice} | ${each.parked} | ${each.violations.length === 0 ? 'hold' : `${each.violations.length} violations`} |`,
    ),
    '',
    '| run | GETs per decision | answers to callbacks | decision → effect p50 · p95 · p99 · max (ms) | recovery (ms) | bytes per entry | duration (s) | notes |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...all.map(
      (each) =>
        `| ${each.run} | ${each.getsPerDecision.toFixed(2)} | ${list(each.answers)} | ${each.latencyMs.p50} · ${each.latencyMs.p95} · ${each.latencyMs.p99} · ${each.latencyMs.max} | ${each.recoveryMs} | ${each.bytesPerKey} | ${each.seconds} | ${each.notes.join('; ') || '–'} |`,
    ),
  ].join('\n')
}

function list(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  )
}
