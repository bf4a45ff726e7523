/**
 * The part of the Standard Schema interface (version 1) that this library uses, so that zod, valibot, arktype and
 * others work without being a dependency. Source: the specification at standardschema.dev.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    /** The output of the schema, or what is wrong with the value. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** The result of a validation: the output, or what is wrong with the value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** What is wrong with a value, and where. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The type that a schema accepts. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input']
/** The type that a schema yields. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output']

/** Returns JSON Pointers to the invalid values, never the values. */
export function issuePaths(issues: readonly SchemaIssue[]): readonly string[] {
  return issues.map(({ path }) => pointer((path ?? []).map((step) => (typeof step === 'object' ? step.key : step))))
}

/** Writes a JSON Pointer (RFC 6901). */
export function pointer(steps: readonly PropertyKey[]): string {
  return steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
