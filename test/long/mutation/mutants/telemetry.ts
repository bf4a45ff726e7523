import type { Mutant } from '../mutant.js'

/** What is shown of a receiver. */
export const telemetryMutants: readonly Mutant[] = [
  {
    guard: 'a run starts its own trace',
    file: 'src/opentelemetry/spans.ts',
    find: '{ ...options, root: true, links: linksOf(work.trace) }, ROOT_CONTEXT)',
    replace: '{ ...options, links: linksOf(work.trace) })',
    tests: ['receiver/telemetry-contexts.test.ts', 'receiver/telemetry-spans.test.ts'],
  },
  {
    guard: 'a handler does not see the caller’s trace context',
    file: 'src/opentelemetry/spans.ts',
    find: "const above = work.kind === 'run' ? ROOT_CONTEXT : context.active()",
    replace: 'const above = context.active()',
    tests: ['receiver/telemetry-contexts.test.ts'],
  },
  {
    guard: 'a trace contains only the name of an error',
    file: 'src/opentelemetry/error-type.ts',
    find: "/^[A-Z]\\w{0,63}$/.test(error.name) ? error.name : '_OTHER'",
    replace: "error.message !== '' ? error.message : '_OTHER'",
    tests: ['unit/opentelemetry/error-type.test.ts', 'threats/redaction.test.ts'],
  },
  {
    guard: 'a stored trace has at most 512 characters',
    file: 'src/opentelemetry/trace-context.ts',
    find: "return state !== '' && whole.length <= longest ? whole : parent",
    replace: "return state !== '' ? whole : parent",
    tests: ['unit/opentelemetry/trace-context.test.ts'],
  },
  {
    guard: 'a longer trace is not read',
    file: 'src/opentelemetry/trace-context.ts',
    find: 'if (text === null || text.length > longest) return null',
    replace: 'if (text === null) return null',
    tests: ['unit/opentelemetry/trace-context.test.ts'],
  },
  {
    guard: 'a span that cannot start does not stop the work',
    file: 'src/opentelemetry/spans.ts',
    find: 'const span = quietly(() => this.#start(work))',
    replace: 'const span = this.#start(work)',
    tests: ['receiver/telemetry-harmless.test.ts'],
  },
  {
    guard: 'a failing metric does not affect a decision',
    file: 'src/opentelemetry/telemetry.ts',
    find: 'quietly(() => figures.event(event))',
    replace: 'figures.event(event)',
    tests: ['receiver/telemetry-harmless.test.ts'],
  },
  {
    guard: 'a closed receiver reports no metrics of its store',
    file: 'src/receiver/create-receiver.ts',
    find: '    stopObserving?.()\n',
    replace: '',
    tests: ['receiver/telemetry-metrics.test.ts'],
  },
  {
    guard: 'a trace is kept with a request',
    file: 'src/submit/tracked-request.ts',
    find: 'return trace === undefined ? request : { ...request, trace }',
    replace: 'return trace === undefined ? request : request',
    tests: ['receiver/telemetry-spans.test.ts'],
  },
  {
    guard: 'a handler that a wait starts runs in no caller’s context',
    file: 'src/submit/wait.ts',
    find: "void inModuleContext(() => this.#pipeline.process({ approvalId, via: 'poll' }))",
    replace: "void this.#pipeline.process({ approvalId, via: 'poll' })",
    tests: ['receiver/contexts.test.ts', 'receiver/telemetry-contexts.test.ts'],
  },
  {
    guard: 'options of telemetry() are an object',
    file: 'src/opentelemetry/telemetry.ts',
    find: "typeof options !== 'object' || options === null",
    replace: 'false',
    tests: ['receiver/telemetry-harmless.test.ts'],
  },
]
