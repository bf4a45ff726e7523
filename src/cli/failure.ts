import { type ErrorCode, isCheqpointError } from '../index.js'

/** What scripts can rely on. */
export const exitCodes = {
  0: 'all is well; a warning changes nothing',
  1: 'a check failed, or what was asked for was refused',
  2: 'the command was used wrongly, or something it needs is not installed',
  3: 'something could not be reached',
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

/** Where the library's own message ends with no remedy. */
const fixes: Partial<Record<ErrorCode, readonly [ExitCode, string]>> = {
  'option-invalid': [2, 'correct the option; --help names what is allowed'],
  'argument-invalid': [2, 'correct the value; --help names what is allowed'],
  'peer-missing': [2, 'npm install --save-dev hono @hono/node-server'],
  'api-unreachable': [3, 'check network, DNS, proxy and --base-url'],
  'api-broken-off': [3, 'check network, proxy and --base-url'],
  'api-timeout': [3, 'check the network, and try again'],
  'store-unavailable': [3, 'check that Redis runs, and that --redis names it'],
}

/** Any error as one that can be shown. */
export function asFailure(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (!isCheqpointError(error)) {
    const message = error instanceof Error ? error.message : 'what was thrown is no error'
    return new CliError(1, 'internal', message, 'this is a fault of the command line: please report it')
  }
  const [exit, fix] = fixes[error.code] ?? [1, `look up ${error.code} in docs/errors.md`]
  const [message, remedy] = splitRemedy(error.message)
  return new CliError(exit, error.code, message, remedy ?? fix)
}

/** What the library says of a store ends with what to do about it. */
export function splitRemedy(message: string): readonly [message: string, remedy: string | undefined] {
  const at = message.indexOf('; ')
  return at < 0 ? [message, undefined] : [message.slice(0, at), message.slice(at + 2)]
}
