import { common, operandOf } from './args.js'
import { type Command, isValued } from './command.js'
import { commands } from './commands.js'
import { exitCodes } from './failure.js'
import { columns, type Terminal } from './terminal.js'

export function overview({ paint }: Terminal): string {
  return [
    `${paint('bold', 'cheqpoint-callback')}  try, check and operate a receiver of Cheqpoint callbacks`,
    '',
    paint('dim', 'Commands (each has --json and --help)'),
    ...columns(commands.map((each) => [`  ${usage(each)}`, each.summary])),
    '',
    paint('dim', 'Exit codes'),
    ...Object.entries(exitCodes).map(([code, meaning]) => `  ${code}  ${meaning}`),
  ].join('\n')
}

export function helpOf(command: Command, { paint }: Terminal): string {
  const rows = optionRows(command).map(([name, about, otherwise]) => [
    `  ${name}`,
    otherwise === '' ? about : `${about} (${otherwise})`,
  ])
  const notes = command.notes === '' ? [] : ['', wrapped(command.notes)]
  const title = paint('bold', `cheqpoint-callback ${usage(command)}`)
  return [`${title} [options]`, command.summary, '', ...columns(rows), ...notes].join('\n')
}

/** Each option with what it is about, and what holds where it is not given. */
export function optionRows({
  options,
}: Command): readonly (readonly [name: string, about: string, otherwise: string])[] {
  return Object.entries({ ...options, ...common }).map(([name, option]) => {
    if (!isValued(option)) return [`--${name}`, option.about, '']
    const otherwise = [option.env && `$${option.env}`, option.default].filter((each) => each !== undefined)
    return [option.operand ? `<${name}>` : `--${name} ${option.value}`, option.about, otherwise.join(' or ')]
  })
}

function usage({ name, options }: Command): string {
  const operand = operandOf(options)
  return operand === undefined ? name : `${name} <${operand}>`
}

function wrapped(text: string): string {
  return text.replaceAll(/(.{1,90})(?:\s|$)/g, '$1\n').trimEnd()
}
