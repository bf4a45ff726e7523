import { type ErrorCode, isCheqpointError } from '../index.js'

/** What scripts can rely on. */
export const exitCodes = {
  0: 'the outcome is the one that was asked for; warnings do not count',
  1: 'a check failed, or the request was refused',
  2: 'the command was used wrongly, or something it needs is not there',
  3: 'something could not be reached, or the output could not be written',
} as const

export type ExitCode = keyof typeof exitCodes

/** A failure of the command line. Its fix says what to do next. */
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

/** Where the library's own message ends without a remedy. */
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

/** Any error as one that can be shown. */
export function asFailure(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (!isCheqpointError(error)) {
    const message = error instanceof Error ? error.message : 'something else than an error was thrown'
    return new CliError(1, 'internal', message, 'this is a bug of the command line: please report it')
  }
  const [exit, fix] = fixes[error.code] ?? [1, `look up ${error.code} in docs/errors.md`]
  const [message, remedy] = splitRemedy(error.message)
  return new CliError(exit, error.code, message, remedy ?? fix)
}

/** Output that a file or a device does not take: a full disk, say. */
export function outputFailure(code: string | undefined): CliError {
  const message = `the output could not be written (${code ?? 'unknown error'})`
  return new CliError(3, 'output-failed', message, 'free space, or write elsewhere; a change that was made stands')
}

/** What the library says about a store ends with what to do about it. */
export function splitRemedy(message: string): readonly [message: string, remedy: string | undefined] {
  const at = message.indexOf('; ')
  return at < 0 ? [message, undefined] : [message.slice(0, at), message.slice(at + 2)]
}
