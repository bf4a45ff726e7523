import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import type { Point } from './curve.js'

const width = 720
const height = 300
const margin = { top: 44, right: 24, bottom: 44, left: 56 }
const colours: Readonly<Record<string, string>> = { 'hono/ours': '#2563eb', 'hono/limit': '#9ca3af' }
const names: Readonly<Record<string, string>> = {
  'hono/ours': 'cheqpoint-callback',
  'hono/limit': 'bare handler, shared pool',
}

/** Processor time of one callback by the rate of callbacks, as an SVG that needs nothing else. */
export function drawCurve(points: readonly Point[]): string {
  const x = scaleLinear([0, Math.max(...points.map(({ rate }) => rate))], [margin.left, width - margin.right]).nice()
  const y = scaleLinear([0, Math.max(...points.map(({ cpuUs }) => cpuUs))], [height - margin.bottom, margin.top]).nice()
  const path = line<Point>(
    ({ rate }) => x(rate),
    ({ cpuUs }) => y(cpuUs),
  )
  const across = y.ticks(4).map((tick) => {
    const at = y(tick).toFixed(1)
    return `<path d="M${margin.left} ${at}H${width - margin.right}" stroke="#8884"/><text x="${margin.left - 8}" y="${at}" dy=".32em" text-anchor="end">${tick}</text>`
  })
  const below = x
    .ticks(6)
    .map(
      (tick) =>
        `<text x="${x(tick).toFixed(1)}" y="${height - margin.bottom + 20}" text-anchor="middle">${tick}</text>`,
    )
  const curves = Object.entries(names).map(([contender, name], at) => {
    const own = points.filter((point) => point.contender === contender)
    const colour = colours[contender]
    const dots = own.map(
      ({ rate, cpuUs }) => `<circle cx="${x(rate).toFixed(1)}" cy="${y(cpuUs).toFixed(1)}" r="3.5" fill="${colour}"/>`,
    )
    const legend = `<circle cx="${margin.left + 8 + at * 190}" cy="22" r="5" fill="${colour}"/><text x="${margin.left + 20 + at * 190}" y="22" dy=".32em">${name}</text>`
    return `<path d="${path(own)}" fill="none" stroke="${colour}" stroke-width="2.5"/>${dots.join('')}${legend}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Processor time of one verified callback by load" font-family="system-ui, sans-serif" font-size="12" fill="#6b7280">`,
    ...across,
    ...below,
    ...curves,
    `<text x="${width - margin.right}" y="${height - 6}" text-anchor="end">callbacks a second</text>`,
    `<text x="${width - margin.right}" y="22" dy=".32em" text-anchor="end">µs of processor for one</text>`,
    '</svg>\n',
  ].join('\n')
}
