import { afterAll } from 'vitest'
import { watchOutput } from './output-watch.js'

/*
 * Runs before each test file: no secret of a test may appear in any output of the process.
 */

const nextTurn = setImmediate
const watch = watchOutput()

afterAll(async () => {
  // Warnings and rejections are reported later; a test may have left fake timers.
  await new Promise((resolve) => nextTurn(resolve))
  const leaks = watch.stop()
  if (leaks.length === 0) return
  const lines = leaks.map(({ channel, kind, around }) => `- ${kind} in ${channel}: ${around}`)
  throw new Error(`secrets of the tests were told to the outside:\n${[...new Set(lines)].join('\n')}`)
})
