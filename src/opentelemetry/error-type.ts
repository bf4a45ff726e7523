import { isCheqpointError } from '../model/errors.js'

/** A word for what was thrown: the code of an error of this library, the name of another one. Nothing else of it. */
export function errorType(error: unknown): string {
  if (isCheqpointError(error)) return error.code
  try {
    // A name that is more than a name may be anything.
    return error instanceof Error && /^[A-Z]\w{0,63}$/.test(error.name) ? error.name : '_OTHER'
  } catch {
    return '_OTHER'
  }
}
