import { afterAll } from 'vitest'
import { watchOutput } from './output-watch.js'

/*
 * Runs before each test file: no secret of any test may be seen in anything that the process says meanwhile.
 */

const nextTurn = setImmediate
const watch = watchOutput()

afterAll(async () => {
  // Warnings and rejections are told a little later; a test may have left its own timers behind.
  await new Promise((resolve) => nextTurn(resolve))
  const leaks = watch.stop()
  if (leaks.length === 0) return
  const lines = leaks.map(({ channel, kind, around }) => `- ${kind} in ${channel}: ${around}`)
  throw new Error(`secrets of the tests were told to the outside:\n${[...new Set(lines)].join('\n')}`)
})
