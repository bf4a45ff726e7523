import { longestTimer, type Random } from './clock.js'

/*
 * When to poll or retry. Pure functions; durations in milliseconds.
 */

export interface PollSchedule {
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * Time until the next poll of an undecided request: its age, between `firstMs` and `maxMs`, so that each poll comes at
 * twice the age of the last one. By age, not by count, so that polls caused by callbacks do not make later ones rarer.
 */
export function nextPollMs(ageMs: number, schedule: PollSchedule, random: Random): number {
  return jitter(clamp(ageMs, schedule.firstMs, schedule.maxMs), random)
}

/** Time until a failed handler runs again: doubles with each attempt, with full jitter above the shortest. */
export function backoffMs(attempts: number, [shortest, longest]: readonly [number, number], random: Random): number {
  const ceiling = Math.min(longest, shortest * 2 ** Math.min(Math.max(attempts - 1, 0), 52))
  return Math.round(shortest + random() * (ceiling - shortest))
}

/** ±20 %, so that polls that started together drift apart; at most the longest delay of a timer. */
export function jitter(ms: number, random: Random): number {
  return Math.min(Math.round(ms * (0.8 + 0.4 * random())), longestTimer)
}

export function clamp(ms: number, least: number, most: number): number {
  return Math.min(Math.max(ms, least), most)
}

/**
 * Milliseconds that a Retry-After header asks for, between 1 s and 15 min; `null` if it is missing, or neither a number
 * of seconds nor a date (RFC 9110, section 10.2.3).
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null
  const text = header.trim()
  // Only a date has letters; Date.parse takes '-5' and '1.5' for years.
  const ms = /^\d{1,15}$/.test(text) ? Number(text) * 1000 : /[a-z]/i.test(text) ? Date.parse(text) - nowMs : Number.NaN
  return Number.isNaN(ms) ? null : clamp(ms, 1_000, 900_000)
}
