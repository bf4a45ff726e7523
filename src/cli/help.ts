import { common, operandOf } from './args.js'
import { type Command, isValued } from './command.js'
import { commands } from './commands.js'
import { exitCodes } from './failure.js'
import { columns, type Terminal } from './terminal.js'

export function overview({ paint }: Terminal): string {
  return [
    'Try, check and operate a receiver of Cheqpoint callbacks.',
    '',
    `${paint('bold', 'Usage:')} cheqpoint-callback <command> [options]`,
    '',
    paint('bold', 'Commands:'),
    ...columns(commands.map((each) => [`  ${usage(each)}`, each.summary])),
    '',
    paint('bold', 'Options:'),
    '  --help, -h     print help, of a command too',
    '  --version, -v  print the version',
    '  --json         print JSON, errors too',
    '',
    paint('bold', 'Exit codes:'),
    ...Object.entries(exitCodes).map(([code, meaning]) => `  ${code}  ${meaning}`),
    '',
    paint('bold', 'Examples:'),
    '  cheqpoint-callback simulator',
    '  cheqpoint-callback doctor --callback-url https://app.example.com/webhooks/cheqpoint',
  ].join('\n')
}

export function helpOf(command: Command, { paint }: Terminal): string {
  const rows = optionRows(command).map(([name, about, otherwise]) => [
    `  ${name}`,
    otherwise === '' ? about : `${about} (default: ${otherwise})`,
  ])
  const dash = operandOf(command.options) === undefined ? [] : ['Put a value that starts with - last, after --.']
  const notes = [command.notes, ...dash].join(' ').trim()
  return [
    `${paint('bold', 'Usage:')} cheqpoint-callback ${usage(command)} [options]`,
    '',
    wrapped(`${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`),
    '',
    ...(notes === '' ? [] : [wrapped(notes), '']),
    paint('bold', 'Options:'),
    ...columns(rows),
    '',
    paint('bold', 'Examples:'),
    ...command.examples.map((each) => `  cheqpoint-callback ${command.name} ${each}`.trimEnd()),
  ].join('\n')
}

/** Rows of the options: name, description and default. */
export function optionRows({
  options,
}: Command): readonly (readonly [name: string, about: string, otherwise: string])[] {
  return Object.entries({ ...options, ...common }).map(([name, option]) => {
    if (!isValued(option)) return [`--${name}`, option.about, '']
    const otherwise = [option.env && `$${option.env}`, option.default ?? option.otherwise]
    const words = otherwise.filter((each) => each !== undefined).join(' or ')
    return [option.operand ? `<${name}>` : `--${name} ${option.value}`, option.about, words]
  })
}

/** A command with its operand. */
export function usage({ name, options }: Command): string {
  const operand = operandOf(options)
  return operand === undefined ? name : `${name} <${operand}>`
}

function wrapped(text: string): string {
  return text.replaceAll(/(.{1,90})(?:\s|$)/g, '$1\n').trimEnd()
}
