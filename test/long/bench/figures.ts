/** One line of the table: a figure of ours beside those of others, measured in the same run, in turns. */
export interface Figure {
  readonly what: string
  readonly unit: string
  readonly ours: number
  readonly others: readonly Other[]
}

export interface Other {
  readonly name: string
  readonly value: number
  /** Of ours to this. Default: that of the two values. */
  readonly ratio?: number | undefined
  /** What the ratio must be, or what ours may be above this. */
  readonly bar?:
    | { readonly atLeast: number }
    | { readonly atMost: number }
    | { readonly addsAtMost: number }
    | undefined
}

export interface Suite {
  readonly name: string
  readonly run: (options: BenchOptions) => Promise<readonly Figure[]>
}

export interface BenchOptions {
  readonly rounds: number
  /** Callbacks a round. */
  readonly amount: number
  /** The folder of another build of this library, to measure it in turns with this one. */
  readonly beside?: string | undefined
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const above = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? above : (above + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Runs each measurement once a round, in turns, and answers the median of each. */
export async function inTurns<Name extends string>(
  rounds: number,
  measurements: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Readonly<Record<Name, number>>> {
  // The keys of an object literal are its own.
  const names = Object.keys(measurements) as Name[]
  const taken = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of names) taken.get(name)?.push(await measurements[name]())
  }
  // One entry a name.
  return Object.fromEntries([...taken].map(([name, values]) => [name, median(values)])) as Record<Name, number>
}

export function ratio({ ours }: Figure, { value, ratio = ours / value }: Other): number {
  return ratio
}

/** Whether a bar is met; `null` where there is none. */
export function isMet(figure: Figure, other: Other): boolean | null {
  if (other.bar === undefined) return null
  if ('addsAtMost' in other.bar) return figure.ours - other.value <= other.bar.addsAtMost
  const found = ratio(figure, other)
  return 'atLeast' in other.bar ? found >= other.bar.atLeast : found <= other.bar.atMost
}
