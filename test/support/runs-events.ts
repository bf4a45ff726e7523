import type { CheqpointEvent } from '../../src/index.js'

type Type = CheqpointEvent['type']

/** The events of one type, in order. */
export function eventsOf<const Wanted extends Type>(
  events: readonly CheqpointEvent[],
  wanted: Wanted,
): readonly Extract<CheqpointEvent, { type: Wanted }>[] {
  return events.filter((event): event is Extract<CheqpointEvent, { type: Wanted }> => event.type === wanted)
}
