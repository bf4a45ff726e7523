#!/usr/bin/env node
import { outputFailure } from './failure.js'
import { printFailure, run } from './run.js'

const args = process.argv.slice(2)

process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  // The reader has read enough: `| head` is no failure.
  if (code === 'EPIPE') process.exit(process.exitCode ?? 0)
  const failure = outputFailure(code)
  process.exitCode = failure.exit
  // Where nothing more is written, this ends the process at last.
  printFailure(args, failure, process)
  process.stderr.write('', () => process.exit(failure.exit))
})
// There is nowhere left to say so.
process.stderr.on('error', () => process.exit(process.exitCode || 3))

// Not process.exit: it would cut off what is still being written to a pipe.
const code = await run(args, process)
process.exitCode ||= code
