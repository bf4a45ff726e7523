import { parseArgs } from 'node:util'
import { closest } from '../util/closest.js'
import { type Command, type Given, isValued, type Options, type Valued } from './command.js'
import { CliError } from './failure.js'
import { plain } from './terminal.js'

/** Options of every command. */
export const common: Options = {
  json: { about: 'print JSON, errors too' },
  help: { about: 'print this help (also -h)' },
}

export function operandOf(options: Options): string | undefined {
  return Object.entries(options).find(([, option]) => isValued(option) && option.operand)?.[0]
}

/** Whether `--json` is given. After `--` it is a value. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end < 0 ? args.length : end).includes('--json')
}

/** Parses the arguments of a command by its table of options. `null`: the user asked for help. */
export function parse(command: Command, args: readonly string[], env: NodeJS.ProcessEnv): Given<Options> | null {
  const table: Options = { ...command.options, ...common }
  const operand = operandOf(table)
  const help = `cheqpoint-callback ${command.name} --help`
  const refusal = (code: string, message: string, fix = help): CliError => new CliError(2, code, message, fix)
  const given = new Map<string, string | true>()
  const tokens = tokensOf(args, table)
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    // parseArgs reads `-help` as several one-letter options.
    const name = token.kind === 'positional' ? (operand ?? '') : args[token.index] === '-h' ? 'help' : token.name
    const option = Object.hasOwn(table, name) ? table[name] : undefined
    if (token.kind === 'positional') {
      if (option === undefined || given.has(name)) throw refusal('argument-unknown', 'too many values')
      given.set(name, token.value)
    } else if (option === undefined || name === operand) {
      throw unknownOption(args[token.index] ?? token.rawName, name)
    } else if (!isValued(option)) {
      if (token.value !== undefined) throw refusal('option-invalid', `--${name} takes no value`)
      given.set(name, true)
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
      throw refusal('option-invalid', `--${name} needs a value`, `--${name}=${option.value}`)
    } else given.set(name, token.value)
  }
  if (given.has('help')) return null
  checkGroups()
  const entries = Object.entries(table).map(([name, option]) => {
    const value = given.get(name)
    return [name, isValued(option) ? read(name, option, value === true ? undefined : value) : value === true] as const
  })
  const values: Readonly<Record<string, unknown>> = Object.fromEntries(entries)
  for (const [name, option] of Object.entries(table)) {
    const needed = isValued(option) ? option.only : undefined
    if (needed !== undefined && given.has(name) && values[needed] === undefined) {
      throw refusal(
        'option-invalid',
        `--${name} only applies with --${needed}`,
        `leave --${name} out, or give --${needed}`,
      )
    }
  }
  // Each value was read by its row of the table.
  return values as Given<Options>

  function unknownOption(written: string, name: string): CliError {
    const shown = plain(written.replace(/=.*/s, ''))
    const like = closest(name, Object.keys(table))
    const guess = like === undefined || like === operand ? undefined : `did you mean --${like}?`
    const isMissing = operand !== undefined && !tokens.some(({ kind }) => kind === 'positional')
    // The unknown option may be the operand: ids may start with a dash.
    const way = `a value that starts with - goes last, after --: cheqpoint-callback ${command.name} -- ${shown}`
    const fix = isMissing ? (guess === undefined || !written.startsWith('--') ? way : `${guess} Or ${way}`) : guess
    return refusal('option-unknown', `${command.name} has no option ${shown}`, fix)
  }

  /** Refuses a second option of a group. If none is given, only one of the group's variables may be set. */
  function checkGroups(): void {
    const members = Object.entries(table).flatMap(([name, option]) =>
      isValued(option) && option.group !== undefined ? [{ name, option, group: option.group }] : [],
    )
    for (const group of new Set(members.map((each) => each.group))) {
      const all = members.filter((each) => each.group === group)
      const named = all.filter(({ name }) => given.has(name)).map(({ name }) => `--${name}`)
      if (named.length > 1)
        throw refusal('option-invalid', `${named.join(' and ')} cannot be used together`, 'give one')
      const set = all.filter(({ option }) => inEnvironment(option) !== undefined)
      if (named.length === 1 || set.length < 2) continue
      const message = `${set.map(({ option }) => option.env).join(' and ')} are both set`
      const ways = set.map(({ name, option }) => `--${name} "$${option.env}"`).join(' or ')
      throw refusal('option-invalid', `${message}, but only one ${group} can be used`, `give ${ways}`)
    }
  }

  function inEnvironment({ env: name, envPattern = /./ }: Valued<unknown>): string | undefined {
    const value = name === undefined ? undefined : env[name]
    return value !== undefined && envPattern.test(value) ? value : undefined
  }

  /** Whether another option of the group was given. */
  function isVoid({ group }: Valued<unknown>): boolean {
    const rivals = Object.entries(table).filter(([, each]) => isValued(each) && each.group === group)
    return group !== undefined && rivals.some(([name]) => given.has(name))
  }

  function read(name: string, option: Valued<unknown>, value: string | undefined): unknown {
    const shown = option.operand ? `<${name}>` : `--${name}`
    const fromEnv = isVoid(option) ? undefined : inEnvironment(option)
    const text = value ?? fromEnv ?? option.default
    if (text === undefined) {
      if (!option.required) return undefined
      throw refusal('option-missing', `${command.name} needs ${shown}`)
    }
    try {
      return option.read(text)
    } catch (error) {
      // Does not show the value: it may be a URL with credentials.
      const source = value === undefined && fromEnv !== undefined ? option.env : shown
      throw refusal('option-invalid', `${source} must be ${error instanceof Error ? error.message : 'something else'}`)
    }
  }
}

/** Not strict: the table of options gives better error messages. */
function tokensOf(args: readonly string[], table: Options) {
  const entries = Object.entries(table).map(
    ([name, option]) => [name, isValued(option) ? 'string' : 'boolean'] as const,
  )
  const options = Object.fromEntries(entries.map(([name, type]) => [name, { type }]))
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens
}
