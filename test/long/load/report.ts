import { readFileSync, writeFileSync } from 'node:fs'
import { type Figures, list } from './figures.js'
import { bounds } from './messages.js'

const file = 'docs/load.md'
const begin = '<!-- load -->'
const end = '<!-- /load -->'

/** In a second: what was saved up, and what came in. */
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

/** Writes the rows of these runs in the marked part of the page, in place of what was there. */
export function writeReport(all: readonly Figures[]): void {
  const page = readFileSync(file, 'utf8')
  const old = page.slice(page.indexOf(begin) + begin.length, page.indexOf(end))
  const rows = [latencyHeads, latencyHeads.map(() => '---'), ...all.map(latencyRow)]
  const costs = [costHeads, costHeads.map(() => '---'), ...all.map(costRow)]
  const tables = [rows, costs].map((table) => table.map((cells) => `| ${cells.join(' | ')} |`).join('\n'))
  const made = `Node.js ${process.versions.node}, seed ${all[0]?.seed}`
  writeFileSync(
    file,
    page.replace(`${begin}${old}`, () => `${begin}\n${tables.join('\n\n')}\n\nMade with ${made}.\n`),
  )
}

const latencyHeads = [
  ...['attack', 'host', 'sent', 'a second', 'genuine handled', 'by callback'],
  ...['decision to handler, ms: p50 · p99 · max', 'event-loop delay, ms: p99 · max', 'processor time, s', 'laws'],
]

function latencyRow(figures: Figures): readonly string[] {
  const { attack, host, sent, sentPerSecond, handled, size, byCallback, delayMs, violations } = figures
  return [
    ...[attack.title, host, grouped(sent), grouped(sentPerSecond), `${handled} of ${size.genuine}`, String(byCallback)],
    ...[latencyMsOf(figures), `${delayMs.p99.toFixed(1)} · ${delayMs.max.toFixed(1)}`, figures.cpuSeconds.toFixed(1)],
    violations.length === 0 ? 'hold' : `${violations.length} violations`,
  ]
}

const costHeads = [
  ...['attack', 'host', 'GETs', 'most in a second', 'heap, MB: before · peak · after', 'RSS, MB: the same'],
  ...['open handles: before → after', 'answers to the attack', 'answers to the genuine'],
]

function costRow(figures: Figures): readonly string[] {
  const { attack, host, gets, mostGetsInASecond, heapBytes, rssBytes, answers, genuineAnswers } = figures
  return [
    ...[attack.title, host, grouped(gets), String(mostGetsInASecond)],
    ...[megabytes(heapBytes), megabytes(rssBytes), figures.handles.join(' → ')],
    ...[list(answers), list(genuineAnswers)],
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
