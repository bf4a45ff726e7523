import { isCheqpointError } from '../model/errors.js'

/** Returns a word for a thrown value: the code of an error of this library, or the name of another error. */
export function errorType(error: unknown): string {
  if (isCheqpointError(error)) return error.code
  try {
    // Any other name could hold a payload.
    return error instanceof Error && /^[A-Z]\w{0,63}$/.test(error.name) ? error.name : '_OTHER'
  } catch {
    return '_OTHER'
  }
}
