import { type ErrorCode, isCheqpointError } from '../index.js'

/** The exit codes, which are stable for scripts. */
export const exitCodes = {
  0: 'the requested outcome was reached; warnings do not count',
  1: 'a check failed, or the request was refused',
  2: 'the command was used incorrectly, or something it needs is missing',
  3: 'something could not be reached, or the output could not be written',
} as const

export type ExitCode = keyof typeof exitCodes

/** A failure of the command line. `fix` tells the user what to do. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exit: ExitCode
  readonly code: string
  readonly fix: string

  constructor(exit: ExitCode, code: string, message: string, fix: string) {
    super(message)
    this.exit = exit
    this.code = code
    this.fix = fix
  }
}

/** Exit codes and fixes for errors of the library whose message has no fix. */
const fixes: Partial<Record<ErrorCode, readonly [ExitCode, string]>> = {
  'option-invalid': [2, 'correct the option; --help names what is allowed'],
  'argument-invalid': [2, 'correct the value; --help names what is allowed'],
  'id-invalid': [2, 'give the id as pending, parked or Cheqpoint shows it'],
  'api-unreachable': [3, 'check network, DNS, proxy and --base-url'],
  'api-broken-off': [3, 'check network, proxy and --base-url'],
  'api-timeout': [3, 'check the network, and try again'],
  'store-unavailable': [3, 'check that the store runs, and that the option names it'],
  'store-busy': [3, 'something else keeps the store busy; try again'],
}

/** Converts any error to one that can be printed. */
export function asFailure(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (!isCheqpointError(error)) {
    const message = error instanceof Error ? error.message : 'a value other than an error was thrown'
    return new CliError(1, 'internal', message, 'this is a bug in the command line: please report it')
  }
  const [exit, fix] = fixes[error.code] ?? [1, `look up ${error.code} in docs/errors.md`]
  const [message, remedy] = splitRemedy(error.message)
  return new CliError(exit, error.code, message, remedy ?? fix)
}

/** The failure to write the output, for example to a full disk. */
export function outputFailure(code: string | undefined): CliError {
  const message = `the output could not be written (${code ?? 'unknown error'})`
  return new CliError(3, 'output-failed', message, 'free space, or write elsewhere; changes already made are kept')
}

/** Splits a message about a store into problem and fix. */
export function splitRemedy(message: string): readonly [message: string, remedy: string | undefined] {
  const at = message.indexOf('; ')
  return at < 0 ? [message, undefined] : [message.slice(0, at), message.slice(at + 2)]
}
