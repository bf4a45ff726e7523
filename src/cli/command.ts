import type { ExitCode } from './failure.js'
import type { Terminal } from './terminal.js'

/** An option without a value. */
export interface Flag {
  readonly about: string
}

/** An option with a value, or the operand of a command, which has no name. */
export interface Valued<Value> extends Flag {
  /** Placeholder of the value in help texts. */
  readonly value: string
  /** Parses the value. The message of its error names what is allowed, and follows "must be". */
  readonly read: (text: string) => Value
  readonly default?: string
  /** The default in words. */
  readonly otherwise?: string
  /** Environment variable that is used without the option. */
  readonly env?: string
  /** The variable is used only if its value matches, since other programs use it too. */
  readonly envPattern?: RegExp
  readonly required?: true
  readonly operand?: true
  /** Only one option of a group may be given. The variables of the others are then ignored. */
  readonly group?: string
  /** Name of an option that this one requires. */
  readonly only?: string
}

export type Defaulted<Value> = Valued<Value> & { readonly default: string }
export type Options = Readonly<Record<string, Flag | Valued<unknown>>>

/** Parsed values of a table of options. */
export type Given<Table extends Options> = {
  readonly [Name in keyof Table]: Table[Name] extends { readonly read: (text: string) => infer Value }
    ? Table[Name] extends { readonly default: string } | { readonly required: true }
      ? Value
      : Value | undefined
    : boolean
}

/** The output of a command: text for people, a document for programs. */
export interface Report {
  readonly text: string
  readonly document: unknown
  /** Default 0. */
  readonly exit?: ExitCode
}

/** A row of the table of commands. Parsing, help and documentation come from it. */
export interface Command<Table extends Options = Options> {
  readonly name: string
  readonly summary: string
  /** Further help text, or empty. */
  readonly notes: string
  /** Arguments of one example each. */
  readonly examples: readonly string[]
  readonly options: Table
  run(given: Given<Table>, terminal: Terminal): Promise<Report>
}

/** Infers the types of `run` from the options of its row. */
export function command<const Table extends Options>(row: Command<Table>): Command {
  // `run` is only called with values that were read by its own table.
  return row as unknown as Command
}

export function isValued(option: Flag | Valued<unknown>): option is Valued<unknown> {
  return 'read' in option
}
