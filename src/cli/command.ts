import type { ExitCode } from './failure.js'
import type { Terminal } from './terminal.js'

/** An option that is there or not. */
export interface Flag {
  readonly about: string
}

/** An option with a value, or the operand of a command, which is given without a name. */
export interface Valued<Value> extends Flag {
  /** What stands for the value in help texts. */
  readonly value: string
  /** Throws with what is allowed, to be read after "must be". */
  readonly read: (text: string) => Value
  readonly default?: string
  /** What happens without the option, in words. */
  readonly otherwise?: string
  /** Environment variable that is read where the option is not given. */
  readonly env?: string
  /** The variable counts only if its value matches: other programs use the same one. */
  readonly envPattern?: RegExp
  readonly required?: true
  readonly operand?: true
  /** Of the options of one group, one may be given; it makes the environment variables of the others void. */
  readonly group?: string
  /** Name of the option without which this one means nothing. */
  readonly only?: string
}

export type Defaulted<Value> = Valued<Value> & { readonly default: string }
export type Options = Readonly<Record<string, Flag | Valued<unknown>>>

/** What a table of options holds once it is read. */
export type Given<Table extends Options> = {
  readonly [Name in keyof Table]: Table[Name] extends { readonly read: (text: string) => infer Value }
    ? Table[Name] extends { readonly default: string } | { readonly required: true }
      ? Value
      : Value | undefined
    : boolean
}

/** What a command prints: the text is for people, the document for programs. */
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
  /** What else there is to know; empty for nothing. */
  readonly notes: string
  /** Arguments, one example each. */
  readonly examples: readonly string[]
  readonly options: Table
  run(given: Given<Table>, terminal: Terminal): Promise<Report>
}

/** Types `run` by the options of its own row. */
export function command<const Table extends Options>(row: Command<Table>): Command {
  // `run` only ever gets what was read by exactly its own table.
  return row as unknown as Command
}

export function isValued(option: Flag | Valued<unknown>): option is Valued<unknown> {
  return 'read' in option
}
