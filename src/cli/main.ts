#!/usr/bin/env node
import { run } from './run.js'

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read the output has read enough: `| head` is no failure.
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
}

// Not process.exit: it would cut off what is still being written to a pipe.
process.exitCode = await run(process.argv.slice(2), process)
