import { cpus } from 'node:os'
import type { Point } from './curve.js'
import { type BenchOptions, type Figure, isMet, type Other, ratio } from './figures.js'
import { sender } from './load.js'

/** What one part of the bench found. */
export interface Part {
  readonly figures?: readonly Figure[]
  readonly curve?: readonly Point[]
  /** Where it was measured, and how much. */
  readonly machine: string
}

/** Everything that was found, by the name of the part. */
export type Report = Readonly<Record<string, Part>>

export function describeMachine({ rounds, turns, amount, warmUp }: BenchOptions, quick: boolean): string {
  const all = cpus()
  const size = `${rounds} × ${turns} turns of ${amount} after ${warmUp}`
  return `${all.length} cores (${all[0]?.model.trim()}), Node.js ${process.versions.node}, sent by ${sender}; ${size}${quick ? ', quick' : ''}`
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

/** The aim, with a cross where it is missed; empty without one. */
export function barOf(figure: Figure, other: Other): string {
  const met = isMet(figure, other)
  if (other.bar === undefined || met === null) return ''
  const aim =
    'atLeast' in other.bar
      ? `≥${other.bar.atLeast}`
      : 'atMost' in other.bar
        ? `≤${other.bar.atMost}`
        : `≤${other.bar.addsAtMost} ${figure.unit.split(' ')[0]} more`
  return met ? aim : `${aim} ✗`
}

export function round(value: number): string {
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
