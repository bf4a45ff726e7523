/** What the parser of dates would take for more than a date is none: to it '1' is a year, and noon is noon by our zone. */
const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** A date that the API wrote, or `null` where it is none: ISO 8601 with its offset, which alone names one moment. */
export function readDate(text: string | null): Date | null {
  if (text === null || !isoDate.test(text)) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}

/** Milliseconds from one moment to another, by two clocks perhaps, so never less than 0; `null` where one is not known. */
export function elapsedMs(from: number | undefined, until: number | undefined): number | null {
  return from === undefined || until === undefined ? null : Math.max(0, until - from)
}
