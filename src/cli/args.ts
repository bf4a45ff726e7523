import { parseArgs } from 'node:util'
import { type Command, type Given, isValued, type Options, type Valued } from './command.js'
import { CliError } from './failure.js'
import { plain } from './terminal.js'

/** Options that every command has. */
export const common: Options = { json: { about: 'print JSON, errors included' }, help: { about: 'print this' } }

export function operandOf(options: Options): string | undefined {
  return Object.entries(options).find(([, option]) => isValued(option) && option.operand)?.[0]
}

/** Reads what follows the name of a command, by its table. `null` where help is asked for. */
export function parse(command: Command, args: readonly string[], env: NodeJS.ProcessEnv): Given<Options> | null {
  const table: Options = { ...command.options, ...common }
  const operand = operandOf(table)
  const help = `cheqpoint-callback ${command.name} --help`
  const refusal = (code: string, message: string, fix = help): CliError => new CliError(2, code, message, fix)
  const given = new Map<string, string | true>()
  for (const token of tokensOf(args, table)) {
    if (token.kind === 'option-terminator') continue
    const name = token.kind === 'option' ? token.name : (operand ?? '')
    const option = Object.hasOwn(table, name) ? table[name] : undefined
    if (token.kind === 'positional') {
      if (option === undefined || given.has(name)) throw refusal('argument-unknown', 'there is one value too many')
      given.set(name, token.value)
    } else if (option === undefined || name === operand) {
      const like = closest(name, Object.keys(table))
      const fix = like === undefined || like === operand ? help : `did you mean --${like}?`
      throw refusal('option-unknown', `${command.name} has no option ${plain(token.rawName)}`, fix)
    } else if (!isValued(option)) {
      if (token.value !== undefined) throw refusal('option-invalid', `--${name} takes no value`)
      given.set(name, true)
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
      throw refusal('option-invalid', `--${name} needs a value`, `--${name}=${option.value}`)
    } else given.set(name, token.value)
  }
  if (given.has('help')) return null
  const values = Object.entries(table).map(([name, option]) => {
    const value = given.get(name)
    return [name, isValued(option) ? read(name, option, value === true ? undefined : value) : value === true]
  })
  return Object.fromEntries(values)

  function read(name: string, option: Valued<unknown>, value: string | undefined): unknown {
    const shown = option.operand ? `<${name}>` : `--${name}`
    const fromEnv = (option.env && env[option.env]) || undefined
    const text = value ?? fromEnv ?? option.default
    if (text === undefined) {
      if (!option.required) return undefined
      const fix = option.env === undefined ? help : `give ${shown} or set ${option.env}`
      throw refusal('option-missing', `${command.name} needs ${shown}`, fix)
    }
    try {
      return option.read(text)
    } catch (error) {
      // The value is not shown: it may be a URL with credentials.
      const source = value === undefined && fromEnv !== undefined ? option.env : shown
      throw refusal('option-invalid', `${source} must be ${error instanceof Error ? error.message : 'something else'}`)
    }
  }
}

/** Not strict: what is wrong is said better here, with the table at hand. */
function tokensOf(args: readonly string[], table: Options) {
  const entries = Object.entries(table).map(
    ([name, option]) => [name, isValued(option) ? 'string' : 'boolean'] as const,
  )
  const options = Object.fromEntries(entries.map(([name, type]) => [name, { type }]))
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens
}

/** The known word that was probably meant: one that shares most of its pairs of letters. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const pairs = (text: string): readonly string[] => [...`^${text}`].map((letter, at) => letter + (text[at] ?? '$'))
  const likeness = (each: string): number => {
    const own = pairs(each)
    return (2 * pairs(word).filter((pair) => own.includes(pair)).length) / (own.length + word.length + 1)
  }
  const [best] = [...known].sort((a, b) => likeness(b) - likeness(a))
  return best !== undefined && likeness(best) >= 0.5 ? best : undefined
}
