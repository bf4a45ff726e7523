import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { closest, parse } from './args.js'
import type { Report } from './command.js'
import { commands } from './commands.js'
import { asFailure, CliError, type ExitCode } from './failure.js'
import { helpOf, overview } from './help.js'
import { createTerminal, type Output, plain, type Terminal } from './terminal.js'

/** What a command line knows of its process. */
export interface World {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: NodeJS.ProcessEnv
}

/** Runs one command line, and resolves with its exit code. Never rejects. */
export async function run(args: readonly string[], { stdout, stderr, env }: World): Promise<ExitCode> {
  const json = args.includes('--json')
  try {
    const terminal = createTerminal(stdout, env, json)
    const report = await reportOf(args[0] === '--json' ? args.slice(1) : args, env, terminal)
    terminal.print(report)
    return report.exit ?? 0
  } catch (error) {
    const { code, message, fix, exit } = asFailure(error)
    const { print, paint } = createTerminal(stderr, env, json)
    const text = `${paint('red', 'error')}  ${plain(message)} (${code})\n${paint('dim', `  fix  ${plain(fix)}`)}`
    print({ text, document: { error: { code, message, fix } } })
    return exit
  }
}

async function reportOf(
  [name, ...rest]: readonly string[],
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<Report> {
  const help = (text: string): Report => ({ text, document: { help: text } })
  if (name === undefined) return { ...help(overview(terminal)), exit: 2 }
  if (name === '--help' || name === '-h' || name === 'help') return help(overview(terminal))
  if (name === '--version' || name === '-v') return { text: version(), document: { version: version() } }
  const command = commands.find((each) => each.name === name)
  if (command === undefined) {
    const like = closest(
      name,
      commands.map((each) => each.name),
    )
    const fix = like === undefined ? 'cheqpoint-callback --help lists the commands' : `did you mean ${like}?`
    throw new CliError(2, 'command-unknown', `there is no command ${name}`, fix)
  }
  const given = parse(command, rest, env)
  return given === null ? help(helpOf(command, terminal)) : command.run(given, terminal)
}

function version(): string {
  const file = createRequire(import.meta.url).resolve('cheqpoint-callback/package.json')
  const manifest: { readonly version: string } = JSON.parse(readFileSync(file, 'utf8'))
  return manifest.version
}
