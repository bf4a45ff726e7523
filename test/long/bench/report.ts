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

/** Puts what was found between the marks of docs/performance.md, and the chart beside it; parts that were not run stay. */
export function writeDocs({ machine, options, figures, curve }: Report): void {
  const file = 'docs/performance.md'
  const parts: Readonly<Record<string, string>> = {
    machine: `${new Date().toISOString().slice(0, 10)}: ${machine}; medians of ${options.rounds} rounds.`,
    callbacks: callbackTable(figures.filter(({ unit }) => unit in columns)),
    rest: aimTable(figures.filter(({ unit }) => !(unit in columns))),
    curve:
      curve.length === 0
        ? ''
        : '![Processor time of one verified callback by load](https://raw.githubusercontent.com/cheqpoint/cheqpoint-callback/main/docs/images/performance.svg)',
  }
  let text = readFileSync(file, 'utf8')
  for (const [name, found] of Object.entries(parts).filter(([, found]) => found !== '')) {
    const marked = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`)
    text = text.replace(marked, (_all, open: string, close: string) => `${open}${found}\n${close}`)
  }
  writeFileSync(file, text)
  if (curve.length > 0) writeFileSync('docs/images/performance.svg', drawCurve(curve))
}

/** What the page shows of callbacks, by unit. */
const columns = { 'callbacks/s': 'callbacks/s', 'µs of processor': 'processor', 'ms p99': 'p99' } as const

/** One row for each contender: our figures divided by its own. */
function callbackTable(figures: readonly Figure[]): string {
  const whats = [...new Set(figures.filter(({ unit }) => unit === 'ms p99').map(({ what }) => what))]
  const rows = whats.flatMap((what) => {
    const own = Object.keys(columns).map((unit) => figures.find((each) => each.what === what && each.unit === unit))
    const names = own.find((figure) => figure !== undefined)?.others.map(({ name }) => name) ?? []
    return names.map((name) => {
      const beside = own.map((figure) => ({ figure, other: figure?.others.find((each) => each.name === name) }))
      const cells = beside.map(({ figure, other }) => (figure && other ? ratio(figure, other).toFixed(2) : ''))
      const aims = beside.map(({ figure, other }) => (figure && other ? barOf(figure, other) : ''))
      return `| ${[what, name, ...cells, aims.join('')].join(' | ')} |`
    })
  })
  if (rows.length === 0) return ''
  return [
    `| what | beside | ${Object.values(columns).join(' | ')} | aim |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

/** One row for each figure that has an aim. */
function aimTable(figures: readonly Figure[]): string {
  const rows = figures.flatMap((figure) =>
    figure.others
      .filter(({ bar }) => bar !== undefined)
      .map((other) => {
        const cells = [figure.what, `${round(figure.ours)} ${figure.unit}`, other.name, ratio(figure, other).toFixed(2)]
        return `| ${[...cells, barOf(figure, other)].join(' | ')} |`
      }),
  )
  if (rows.length === 0) return ''
  return ['| what | ours | beside | ratio | aim |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}
