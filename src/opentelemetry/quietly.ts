/** What it returns, or `undefined` where it throws: what only shows a decision must not change what happens to it. */
export function quietly<Value>(work: () => Value): Value | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
