/** The parser of dates takes more: '1' as a year, and a time without offset as local time. */
const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** A date that the API wrote, or `null`: only ISO 8601 with an offset names one moment. */
export function readDate(text: string | null): Date | null {
  if (text === null || !isoDate.test(text)) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}

/** Milliseconds between two moments, at least 0, since their clocks may differ; `null` if one is unknown. */
export function elapsedMs(from: number | undefined, until: number | undefined): number | null {
  return from === undefined || until === undefined ? null : Math.max(0, until - from)
}
