#!/usr/bin/env node
import { outputFailure } from './failure.js'
import { printFailure, run } from './run.js'

const args = process.argv.slice(2)

process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  // The reader closed the pipe, as in `| head`: not a failure.
  if (code === 'EPIPE') process.exit(process.exitCode ?? 0)
  const failure = outputFailure(code)
  process.exitCode = failure.exit
  // The callback of an empty write ends the process after stderr is flushed.
  printFailure(args, failure, process)
  process.stderr.write('', () => process.exit(failure.exit))
})
// The error cannot be printed anywhere.
process.stderr.on('error', () => process.exit(process.exitCode || 3))

// Not process.exit, which would cut off pending writes to a pipe.
const code = await run(args, process)
process.exitCode ||= code
