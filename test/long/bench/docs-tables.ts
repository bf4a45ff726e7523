import { readFileSync, writeFileSync } from 'node:fs'
import { drawCurve } from './chart.js'
import { type Figure, perProcessorSecond, ratio } from './figures.js'
import { barOf, type Report, round } from './report.js'

const file = 'docs/performance.md'
const chart = 'https://raw.githubusercontent.com/cheqpoint/cheqpoint-callback/main/docs/images/performance.svg'

/** Puts what was found between the marks of docs/performance.md, and the chart beside it; tables without a figure stay. */
export function writeDocs(report: Report, order: readonly string[]): void {
  const found = order.flatMap((name) => report[name] ?? [])
  const figures = found.flatMap((part) => part.figures ?? [])
  const curve = report['curve']?.curve ?? []
  const imports = report['imports']?.figures ?? []
  const parts: Readonly<Record<string, string>> = {
    machine: `${new Date().toISOString().slice(0, 10)}: ${found.at(-1)?.machine ?? ''}.`,
    rates: rateTable(figures),
    rest: aimTable(figures.filter((figure) => figure.unit !== perProcessorSecond && !imports.includes(figure))),
    imports: importTable(imports),
    curve: curve.length === 0 ? '' : `![Processor time of one verified callback by load](${chart})`,
  }
  let text = readFileSync(file, 'utf8')
  for (const [name, table] of Object.entries(parts).filter(([, table]) => table !== '')) {
    const marked = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`)
    text = text.replace(marked, (_all, open: string, close: string) => `${open}${table}\n${close}`)
  }
  writeFileSync(file, text)
  if (curve.length > 0) writeFileSync('docs/images/performance.svg', drawCurve(curve))
}

/** One row for each contender of what has both rates: ours divided by its own. */
function rateTable(figures: readonly Figure[]): string {
  const rows = figures
    .filter(({ unit }) => unit === perProcessorSecond)
    .flatMap((figure) => {
      const { what } = figure
      const perSecond = figures.find(
        (each) => each.what === what && each.unit.endsWith('s/s') && isBeside(each, figure),
      )
      return figure.others.map((other) => {
        const same = perSecond?.others.find(({ name }) => name === other.name)
        const elapsed = perSecond && same ? ratio(perSecond, same).toFixed(2) : ''
        const name = other.name.split('/').at(-1) ?? ''
        return [what, name, ratio(figure, other).toFixed(2), elapsed, barOf(figure, other).replace(' ✗', '✗')]
      })
    })
  return table(['what', 'beside', 'per processor second', 'per second', 'aim'], rows)
}

/** Whether two figures were measured beside the same contender: some things are measured beside several. */
function isBeside(one: Figure, other: Figure): boolean {
  return one.others[0]?.name === other.others[0]?.name
}

/** One row for each other figure that has an aim. */
function aimTable(figures: readonly Figure[]): string {
  const rows = figures.flatMap((figure) =>
    figure.others
      .filter(({ bar }) => bar !== undefined)
      .map((other) => {
        const ours = `${round(figure.ours)} ${figure.unit}`
        return [figure.what, ours, other.name, ratio(figure, other).toFixed(2), barOf(figure, other).replace(' ✗', '✗')]
      }),
  )
  return table(['what', 'ours', 'beside', 'ratio', 'aim'], rows)
}

function importTable(figures: readonly Figure[]): string {
  const rows = figures.flatMap((figure) => {
    const own = [figure.what.replace('import of ', ''), round(figure.ours)]
    if (figure.others.length === 0) return [[...own, '', '', '']]
    return figure.others.map((other) => {
      const name = other.name.replaceAll(' ', '')
      return [...own, name, ratio(figure, other).toFixed(2), barOf(figure, other).replace(' ✗', '✗')]
    })
  })
  return table(['import', 'ms', 'beside', 'ratio', 'aim'], rows)
}

/** Without spaces between cells, since a page is limited in words. Empty without rows. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  return [head, head.map(() => '-'), ...rows].map((cells) => `|${cells.join('|')}|`).join('\n')
}
