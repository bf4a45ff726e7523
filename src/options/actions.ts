import type { Decision, Run } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import type { StandardSchema } from '../model/standard-schema.js'
import { group, invalid, oneOf, optionalFunction, readGroup, type Table } from './option-checks.js'

/** Schemas of an action, and its policy on edits. */
export interface ActionRules {
  /**
   * Schema of the details, original or edited. It gets a copy. If it throws, rejects or takes longer than 5 s, the
   * attempt fails and is retried.
   */
  readonly details?: StandardSchema | undefined
  /** Schema of the context. */
  readonly context?: StandardSchema | undefined
  /**
   * What a reviewer's edit means. `replace`: it is the whole details. `merge`: it is a JSON Merge Patch (RFC 7396).
   * `refuse`: an edited approval is parked. Default: `replace`, but an edit that lacks keys of the original is parked as
   * `edit-ambiguous`, since the vendor's samples contradict each other.
   */
  readonly modifications?: 'replace' | 'merge' | 'refuse' | undefined
}

/** A handler of any action, its types erased. */
export type Handler = (decision: Decision<unknown, unknown>, run: Run) => unknown

/** The handlers of a receiver. */
export interface Handlers {
  readonly actions: ReadonlyMap<string, ActionRules & { readonly handler: Handler }>
  /** Handles actions without their own entry. */
  readonly fallback: { readonly handler: Handler } | null
}

const rules: Table<ActionRules> = {
  details: readSchema,
  context: readSchema,
  modifications: (value, path) =>
    value === undefined ? undefined : oneOf(value, path, ['replace', 'merge', 'refuse']),
}

/** The rules of actions without handlers, for {@link verifyAndResolve}. */
export function readActionRules(value: unknown): ReadonlyMap<string, ActionRules> {
  const entries = Object.entries(group(value, 'actions'))
  return new Map(entries.map(([name, entry]) => [name, readGroup(entry, `actions.${name}`, rules)]))
}

/** Throws `option-missing` without any handler, `option-unknown` and `option-invalid`. */
export function readHandlers(onDecision: unknown, actions: unknown): Handlers {
  const entries = Object.entries(group(actions, 'actions')).map(([name, entry]) => {
    const path = `actions.${name}`
    const { onDecision: handler, ...read } = readGroup(entry, path, { ...rules, onDecision: optionalFunction })
    if (handler === undefined)
      throw new CheqpointError('option-missing', `option ${path}.onDecision is required: a function`)
    // The types of the caller are erased here; the schemas check values at run time.
    return [name, { ...read, handler: handler.bind(entry) as Handler }] as const
  })
  const fallback = optionalFunction(onDecision, 'onDecision') as Handler | undefined
  if (fallback === undefined && entries.length === 0)
    throw new CheqpointError('option-missing', 'option onDecision, or an entry in actions, is required')
  return { actions: new Map(entries), fallback: fallback === undefined ? null : { handler: fallback } }
}

function readSchema(value: unknown, path: string): StandardSchema | undefined {
  if (value === undefined) return undefined
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value))
    throw invalid(path, value, 'a Standard Schema (zod, valibot, arktype and others make them)')
  // The specification recognizes a schema by its '~standard' property.
  return value as StandardSchema
}
