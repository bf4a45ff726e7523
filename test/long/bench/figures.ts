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
  /** How often contenders are started anew. */
  readonly rounds: number
  /** Callbacks of a turn. */
  readonly amount: number
  readonly turns: number
  /** Callbacks that each contender is sent before anything is measured. */
  readonly warmUp: number
  /** The folder of the package of another build of this library, to measure it in turns with this one. */
  readonly beside?: string | undefined
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const above = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? above : (above + (sorted[middle - 1] ?? Number.NaN)) / 2
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

/** What contenders took in turns, by their names; ours is the first. */
export type Taken<Measured> = ReadonlyMap<string, readonly Measured[]>

export type Bars = Readonly<Record<string, Other['bar']>>

/** The medians of a measure. The ratios are medians of the ratios of single turns. */
export function figureOf<Measured>(
  { what, unit }: Pick<Figure, 'what' | 'unit'>,
  taken: Taken<Measured>,
  pick: (measured: Measured) => number,
  bars: Bars = {},
): Figure {
  const [own = [], ...rest] = [...taken.values()].map((measured) => measured.map(pick))
  const others = [...taken.keys()].slice(1).map((name, at): Other => {
    const theirs = rest[at] ?? []
    const ratios = own.map((value, turn) => value / (theirs[turn] ?? Number.NaN))
    return { name, value: median(theirs), ratio: median(ratios), bar: bars[name] }
  })
  return { what, unit, ours: median(own), others }
}

/** How much is done in a second, and in a second of processor time, which what else the machine does leaves alone. */
export function rates<Measured extends { readonly perSecond: number; readonly cpuUs: number }>(
  what: string,
  unit: string,
  taken: Taken<Measured>,
  bars?: Bars,
): readonly Figure[] {
  return [
    figureOf({ what, unit }, taken, ({ perSecond }) => perSecond),
    figureOf({ what, unit: perProcessorSecond }, taken, ({ cpuUs }) => 1e6 / cpuUs, bars),
    figureOf({ what, unit: 'µs of processor' }, taken, ({ cpuUs }) => cpuUs),
  ]
}

export const perProcessorSecond = 'per s of processor'
