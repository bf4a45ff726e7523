import { CheqpointError } from '../../src/model/errors.js'

/** Code and text of the coded error that a call throws. */
export function thrown(call: () => unknown): readonly [string, string] {
  try {
    call()
  } catch (error) {
    if (error instanceof CheqpointError) return [error.code, error.message]
    throw error
  }
  return ['nothing', '']
}
