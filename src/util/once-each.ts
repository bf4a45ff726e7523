/** Calls `report` once for each word, for at most `most` words, since strangers may choose them. */
export function onceEach<Rest extends readonly unknown[]>(
  most: number,
  report: (word: string, ...rest: Rest) => void,
): (word: string, ...rest: Rest) => void {
  const seen = new Set<string>()
  return (word, ...rest) => {
    if (seen.has(word) || seen.size >= most) return
    seen.add(word)
    report(word, ...rest)
  }
}
