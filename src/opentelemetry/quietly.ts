/** Returns the result, or `undefined` if it throws: telemetry must not change what happens to a decision. */
export function quietly<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
