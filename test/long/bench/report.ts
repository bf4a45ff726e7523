import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { drawCurve } from './chart.js'
import type { Point } from './curve.js'
import { type BenchOptions, type Figure, isMet, type Other, ratio } from './figures.js'
import { sender } from './load.js'

/** Everything that a run found. */
export interface Report {
  readonly machine: string
  readonly options: BenchOptions
  readonly figures: readonly Figure[]
  readonly curve: readonly Point[]
}

export function describeMachine(): string {
  const all = cpus()
  return `${all.length} cores (${all[0]?.model.trim()}), Node.js ${process.versions.node}, sent by ${sender}`
}

/** One line for each contender that a figure was measured beside. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.flatMap((figure) => {
    const { what, unit, ours, others } = figure
    if (others.length === 0) return [`| ${what} | ${unit} | ${round(ours)} | | | | |`]
    return others.map(
      (other) =>
        `| ${what} | ${unit} | ${round(ours)} | ${other.name} | ${round(other.value)} | ${ratio(figure, other).toFixed(2)} | ${barOf(figure, other)} |`,
    )
  })
  return [
    '| what | unit | ours | beside | its | ratio | aim |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

function barOf(figure: Figure, other: Other): string {
  const met = isMet(figure, other)
  if (other.bar === undefined || met === null) return ''
  const aim =
    'atLeast' in other.bar
      ? `≥ ${other.bar.atLeast}`
      : 'atMost' in other.bar
        ? `≤ ${other.bar.atMost}`
        : `≤ ${other.bar.addsAtMost} ${figure.unit.split(' ')[0]} more`
  return met ? `${aim}, met` : `${aim}, **missed**`
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(2)
}

export function curveTable(points: readonly Point[]): string {
  const rows = points.map(
    ({ contender, rate, p50Ms, p99Ms, cpuUs }) =>
      `| ${rate} | ${contender} | ${round(p50Ms)} | ${round(p99Ms)} | ${round(cpuUs)} |`,
  )
  return ['| callbacks/s | who | ms p50 | ms p99 | µs of processor |', '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
}

/** Puts what was found between the marks of docs/performance.md, and the chart beside it. */
export function writeDocs({ machine, options, figures, curve }: Report): void {
  const file = 'docs/performance.md'
  const parts: Readonly<Record<string, string>> = {
    machine: `${machine}; medians of ${options.rounds} rounds, each with new processes and five turns of ${options.amount} callbacks after 10,000.`,
    figures: tableOf(figures),
    curve: curveTable(curve),
  }
  let text = readFileSync(file, 'utf8')
  for (const [name, found] of Object.entries(parts)) {
    const marked = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`)
    text = text.replace(marked, (_all, open: string, close: string) => `${open}${found}\n${close}`)
  }
  writeFileSync(file, text)
  writeFileSync('docs/images/performance.svg', drawCurve(curve))
}
