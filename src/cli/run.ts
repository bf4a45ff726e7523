import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { closest } from '../util/closest.js'
import { parse, wantsJson } from './args.js'
import type { Report } from './command.js'
import { commands } from './commands.js'
import { asFailure, CliError, type ExitCode } from './failure.js'
import { helpOf, overview } from './help.js'
import { createTerminal, type Output, plain, type Terminal } from './terminal.js'

/** The parts of the process that the command line uses. */
export interface World {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: NodeJS.ProcessEnv
}

/** Runs one command line, and resolves with its exit code. Never rejects. */
export async function run(args: readonly string[], world: World): Promise<ExitCode> {
  const { stdout, env } = world
  try {
    const terminal = createTerminal(stdout, env, wantsJson(args))
    const report = await reportOf(args[0] === '--json' ? args.slice(1) : args, env, terminal)
    terminal.print(report)
    return report.exit ?? 0
  } catch (error) {
    const failure = asFailure(error)
    printFailure(args, failure, world)
    return failure.exit
  }
}

/** Prints an error and its fix. */
export function printFailure(
  args: readonly string[],
  { code, message, fix }: CliError,
  { stderr, env }: Pick<World, 'stderr' | 'env'>,
): void {
  const { print, paint } = createTerminal(stderr, env, wantsJson(args))
  const text = `${paint('red', 'error')}  ${plain(message)} (${code})\n${paint('dim', `  fix  ${plain(fix)}`)}`
  print({ text, document: { error: { code, message, fix } } })
}

async function reportOf(
  [name, ...rest]: readonly string[],
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<Report> {
  const help = (text: string): Report => ({ text, document: { help: text } })
  if (name === undefined) return { ...help(overview(terminal)), exit: 2 }
  if (name === 'help' && rest[0] !== undefined && rest[0] !== '--json') {
    return reportOf([rest[0], '--help'], env, terminal)
  }
  if (name === '--help' || name === '-h' || name === 'help') return help(overview(terminal))
  if (name === '--version' || name === '-v') return { text: version(), document: { version: version() } }
  const command = commands.find((each) => each.name === name)
  if (command === undefined) throw unknown(name)
  const given = parse(command, rest, env)
  return given === null ? help(helpOf(command, terminal)) : command.run(given, terminal)
}

function unknown(name: string): CliError {
  const isOption = name.startsWith('-')
  const known = isOption ? ['--help', '--version', '--json'] : commands.map((each) => each.name)
  const like = closest(name, known)
  const fix = like === undefined ? 'cheqpoint-callback --help lists the commands' : `did you mean ${like}?`
  if (isOption) return new CliError(2, 'option-unknown', `there is no option ${name}`, fix)
  return new CliError(2, 'command-unknown', `there is no command ${name}`, fix)
}

function version(): string {
  const file = createRequire(import.meta.url).resolve('cheqpoint-callback/package.json')
  const manifest: { readonly version: string } = JSON.parse(readFileSync(file, 'utf8'))
  return manifest.version
}
