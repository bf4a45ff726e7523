import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { codeBlocks, quoted, tableRows } from '../support/blocks.js'
import { startExample } from '../support/examples.js'
import { compileBlock, freePort } from '../support/programs.js'
import { temporaryFile } from '../support/sql-clients.js'
import { treeOf } from '../support/telemetry-bench.js'

const document = 'docs/observability.md'
const apiKey = 'cq_live_observability'
let simulator: Simulator
let baseUrl: string

beforeEach(async () => {
  simulator = await createSimulator({ apiKey })
  baseUrl = (await simulator.listen()).url
})
afterEach(() => simulator.close())

/** The output of the console exporters, as far as it is used here. */
const contextSchema = z.object({ traceId: z.string(), spanId: z.string() })
const spanSchema = z.object({
  name: z.string(),
  id: z.string(),
  traceId: z.string(),
  timestamp: z.number(),
  kind: z.enum(SpanKind),
  parentSpanContext: contextSchema.optional(),
  attributes: z.record(z.string(), z.unknown()),
  status: z.object({ code: z.enum(SpanStatusCode) }),
  links: z.array(z.object({ context: contextSchema })),
})
const metricSchema = z.object({
  descriptor: z.object({ name: z.string(), unit: z.string() }),
  dataPoints: z.array(z.object({ attributes: z.record(z.string(), z.unknown()), value: z.unknown() })),
})
type Span = z.infer<typeof spanSchema>
type Metric = z.infer<typeof metricSchema>

/** Runs the example and parses its output. */
async function start(file: string, ...args: string[]) {
  const { child, rest, ended } = startExample(file, { baseUrl, apiKey, args })
  onTestFinished(() => void child.kill('SIGKILL'))
  const text = (await rest()).join('\n')
  expect(await ended, text).toBe(0)
  // A printed object begins and ends at the margin, and is JavaScript.
  const objects = [...text.matchAll(/^\{\n[\s\S]*?\n\}$/gm)].map(([object]) => runInNewContext(`(${object})`))
  return {
    text,
    spans: objects.flatMap((each) => (each.traceId === undefined ? [] : [spanSchema.parse(each)])),
    metrics: objects.flatMap((each) => (each.descriptor === undefined ? [] : [metricSchema.parse(each)])),
  }
}

/** The trees of the traces, in the order of their start. */
function tree(spans: readonly Span[]): readonly string[] {
  return treeOf(
    spans.map(({ name, id, kind, parentSpanContext, attributes, status, links }) => ({
      ...{ name, id, parent: parentSpanContext?.spanId, links: links.map(({ context }) => context.spanId) },
      kind: SpanKind[kind].toLowerCase(),
      failure: status.code === SpanStatusCode.ERROR ? String(attributes['error.type']) : undefined,
      isOpen: false,
    })),
  )
}

/** One line per metric. */
function figures(metrics: readonly Metric[]): readonly string[] {
  return metrics.flatMap(({ descriptor, dataPoints }) =>
    dataPoints.map(({ attributes, value }) => {
      const labels = Object.entries(attributes).map(([name, each]) => `${name.replace('cheqpoint.', '')}=${each}`)
      const { count, sum } = Object(value)
      const shown = typeof value === 'number' ? value : `${count} in ${Math.round(sum)} ${descriptor.unit}`
      return `${descriptor.name} {${labels.join(' ')}} ${shown}`
    }),
  )
}

describe('the example of OpenTelemetry', () => {
  it('prints the trace of two processes: submitted, decided, callback lost, found, failed, completed', async () => {
    const { path, remove } = temporaryFile()
    onTestFinished(remove)
    const first = await start('examples/opentelemetry.js', path)
    const [{ id = '' } = {}] = simulator.list()
    expect(first.text).toContain(`submitted ${id}`)
    simulator.faults.drop = true
    simulator.decide(id, { status: 'approved' })
    const second = await start('examples/opentelemetry.js', path, id)

    // Spans are printed when they end.
    const spans = [...first.spans, ...second.spans].sort((a, b) => a.timestamp - b.timestamp)
    const printed = tree(spans)
    const counted = figures(second.metrics)
    console.log([...printed, '', ...counted].join('\n'))
    const shown = codeBlocks(document, 'text').map(({ code }) => code)
    expect(shown).toContain(`${printed.join('\n')}\n`)
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(5)
    for (const line of [
      'cheqpoint.outcomes {action=process_refund status=approved via=poll} 1',
      'cheqpoint.attempts {action=process_refund result=failed} 1',
      'cheqpoint.attempts {action=process_refund result=succeeded} 1',
      'cheqpoint.api.calls {call=confirm} 1',
      'cheqpoint.store.open {} 0',
      'cheqpoint.store.parked {} 0',
    ])
      expect(counted).toContain(line)
    expect(counted.find((line) => line.startsWith('cheqpoint.decision.duration'))).toMatch(/ 1 in \d+ s$/)
    expect(counted.find((line) => line.startsWith('cheqpoint.handling.duration'))).toMatch(/ 1 in \d+ s$/)
  })
})

describe('docs/observability.md', () => {
  it('serves metrics that Prometheus can read', async () => {
    const folder = `.tmp/observability-${process.pid}`
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const port = await freePort()
    const use = `
import { createReceiver } from 'cheqpoint-callback'
import { telemetry } from 'cheqpoint-callback/opentelemetry'
const receiver = createReceiver({ apiKey: 'k', log: false, telemetry: telemetry(), onDecision() {} })
await receiver.fetch(new Request('http://localhost/hook'))
console.log(await (await fetch('http://127.0.0.1:${port}/metrics')).text())
await exporter.shutdown()
`
    const change = (code: string): string => `${code.replace('9464', String(port))}${use}`
    const file = compileBlock(document, 'observability/prometheus', folder, change)
    const served = execFileSync(process.execPath, [file], { encoding: 'utf8' })
    const [, name = ''] = /is `(cheqpoint_\w+_total)`/.exec(readFileSync(document, 'utf8')) ?? []
    expect(served).toMatch(new RegExp(`^${name}\\{cheqpoint_reason="method-not-allowed",.*\\} 1$`, 'm'))
    expect(served).toMatch(/^cheqpoint_store_overdue\{.*\} 0$/m)
  })

  const source = readFileSync('src/opentelemetry/metrics.ts', 'utf8')
  const named = (pattern: RegExp, prefix: string): readonly string[] =>
    [...source.matchAll(pattern)].map(([, name = '']) => `${prefix}${name}`)

  it('has one row for each metric, and no other', () => {
    const metrics = [
      ...named(/(?:histogram|counter)\('([\w.]+)'/g, 'cheqpoint.'),
      ...named(/gauge\('(\w+)'/g, 'cheqpoint.store.'),
    ]
    expect(metrics).toHaveLength(11)
    const rows = tableRows(document, 'metrics').flatMap(([name = '']) => quoted(name))
    expect([...rows].sort()).toEqual([...metrics].sort())
  })

  it('has one row for each span, and no other', () => {
    const kinds = readFileSync('src/opentelemetry/spans.ts', 'utf8').split('const kinds = {')[1]?.split('}')[0] ?? ''
    const spans = [...kinds.matchAll(/(\w+): SpanKind/g)].map(([, name]) => name)
    const rows = tableRows(document, 'spans').map(([name = '']) => quoted(name)[0]?.split(' ')[0])
    expect(rows).toEqual(spans)
  })

  it('has at most 600 words', () => {
    expect(readFileSync(document, 'utf8').split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(600)
  })
})
