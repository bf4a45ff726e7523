/** The known word that was probably meant: the one that shares most pairs of adjacent letters, in either order. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const pairs = (text: string): readonly string[] =>
    [...`^${text}`].map((letter, at) => [letter, text[at] ?? '$'].sort().join(''))
  const likeness = (each: string): number => {
    const own = pairs(each)
    return (2 * pairs(word).filter((pair) => own.includes(pair)).length) / (own.length + word.length + 1)
  }
  const [best] = [...known].sort((a, b) => likeness(b) - likeness(a))
  return best !== undefined && likeness(best) >= 0.5 ? best : undefined
}
