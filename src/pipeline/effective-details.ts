import {
  issuePaths,
  pointer,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
} from '../model/standard-schema.js'
import type { ActionRules } from '../options/actions.js'
import { isJsonObject, type JsonObject, type JsonValue, readJson, sameJson } from '../util/json.js'

export type Effective =
  | { readonly ok: true; readonly details: unknown; readonly changedPaths: readonly string[] }
  | {
      readonly ok: false
      readonly reason: 'edit-invalid' | 'edit-ambiguous' | 'edit-refused' | 'details-invalid'
      /** JSON Pointers of what was wrong, never values. */
      readonly paths: readonly string[]
    }

/**
 * What an approval allows to be done: the original or the edit, as the action's rules read them. Rejects where a schema
 * throws or rejects.
 */
export async function effectiveDetails(
  rules: ActionRules,
  original: JsonValue,
  modified: JsonObject | null,
): Promise<Effective> {
  if (modified !== null) {
    if (rules.modifications === 'refuse') return { ok: false, reason: 'edit-refused', paths: [] }
    if (rules.modifications === undefined) {
      const lacking = lackingPaths(original, modified)
      if (lacking.length > 0) return { ok: false, reason: 'edit-ambiguous', paths: lacking }
    }
  }
  const raw = modified === null ? original : rules.modifications === 'merge' ? mergePatch(original, modified) : modified
  const checked = await validate(rules.details, raw)
  return checked.ok
    ? { ok: true, details: checked.value, changedPaths: modified === null ? [] : changedPaths(original, raw) }
    : { ok: false, reason: modified === null ? 'details-invalid' : 'edit-invalid', paths: checked.paths }
}

export type Validated =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly paths: readonly string[] }

/** How long a schema may take for one value. */
const schemaTimeoutMs = 5_000

/**
 * Runs a schema, where there is one, on a copy of the value. Rejects where the schema throws, rejects or takes longer than
 * 5 s: that says nothing about the value.
 */
export async function validate(schema: StandardSchema | undefined, value: JsonValue): Promise<Validated> {
  if (schema === undefined) return { ok: true, value }
  const answer = validateOnce(schema, readJson(JSON.stringify(value)))
  // Most schemas answer at once, and need no time-out.
  const result = 'then' in answer ? await inTime(answer) : answer
  return result.issues === undefined
    ? { ok: true, value: result.value }
    : { ok: false, paths: issuePaths(result.issues) }
}

/** What zod's own asynchronous parser answers. */
type ZodResult =
  | { readonly success: true; readonly data: unknown }
  | { readonly success: false; readonly error: { readonly issues: readonly SchemaIssue[] } }

/**
 * Through the standard interface zod 4 runs asynchronous refinements twice, and the first one that rejects ends the process
 * as an unhandled rejection (colinhacks/zod#6610). Its own parser runs them once.
 */
function validateOnce(schema: StandardSchema, value: unknown): SchemaResult<unknown> | Promise<SchemaResult<unknown>> {
  const { safeParseAsync }: { readonly safeParseAsync?: unknown } = Object(schema)
  if (schema['~standard'].vendor !== 'zod' || typeof safeParseAsync !== 'function')
    return schema['~standard'].validate(value)
  // Documented so by zod 3 and 4.
  const parsing = safeParseAsync.call(schema, value) as Promise<ZodResult>
  return parsing.then((parsed) => (parsed.success ? { value: parsed.data } : { issues: parsed.error.issues }))
}

function inTime<Result>(answer: PromiseLike<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error('the schema did not answer in time'))
    const timer = setTimeout(late, schemaTimeoutMs).unref()
    const end =
      <Value>(settle: (value: Value) => void) =>
      (value: Value): void => {
        clearTimeout(timer)
        settle(value)
      }
    answer.then(end(resolve), end(reject))
  })
}

/** JSON Merge Patch, RFC 7396. Keys such as `__proto__` are data like any other. */
export function mergePatch(target: JsonValue, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key) ?? null, value))
  }
  return Object.fromEntries(merged)
}

/** JSON Pointers of what differs, at the highest place where it does; arrays are compared as a whole. */
export function changedPaths(before: JsonValue, after: JsonValue, at: readonly string[] = []): readonly string[] {
  if (!isJsonObject(before) || !isJsonObject(after)) return sameJson(before, after) ? [] : [pointer(at)]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => {
    const old = own(before, key)
    const now = own(after, key)
    return old === undefined || now === undefined ? [pointer([...at, key])] : changedPaths(old, now, [...at, key])
  })
}

function lackingPaths(original: JsonValue, edited: JsonValue, at: readonly string[] = []): readonly string[] {
  if (!isJsonObject(original) || !isJsonObject(edited)) return []
  return Object.entries(original).flatMap(([key, value]) => {
    const kept = own(edited, key)
    return kept === undefined ? [pointer([...at, key])] : lackingPaths(value, kept, [...at, key])
  })
}

function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
