/** A source of numbers from 0 (included) to 1 (excluded), the same for the same seed. */
export type Chance = () => number

/** mulberry32: small, fast, and good enough to choose faults. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A number from the first (included) to the second (excluded). */
export function between([least, most]: readonly [number, number], chance: Chance): number {
  return least + chance() * (most - least)
}

export function oneOf<Item>(items: readonly Item[], chance: Chance): Item | undefined {
  return items[Math.floor(chance() * items.length)]
}
