import { describe, expect, it } from 'vitest'
import { InFlight } from '../../../src/util/in-flight.js'

describe('what is in flight', () => {
  it('is listed from the oldest to the newest', () => {
    const flight = new InFlight<string>()
    for (const item of ['a', 'b', 'c']) flight.add(item)
    expect([...flight]).toEqual(['a', 'b', 'c'])
    expect(flight.size).toBe(3)
  })

  it('leaves from any place, and keeps its order', () => {
    const flight = new InFlight<string>()
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((item) => flight.add(item))
    if (b !== undefined) flight.remove(b)
    expect([...flight]).toEqual(['a', 'c', 'd'])
    for (const place of [a, d]) if (place !== undefined) flight.remove(place)
    expect([...flight]).toEqual(['c'])
    if (c !== undefined) flight.remove(c)
    expect([...flight]).toEqual([])
    expect(flight.size).toBe(0)
    flight.add('e')
    expect([...flight]).toEqual(['e'])
  })

  it('leaves once, however often it is told to', () => {
    const flight = new InFlight<string>()
    const place = flight.add('a')
    flight.add('b')
    flight.remove(place)
    flight.remove(place)
    expect(flight.size).toBe(1)
    expect([...flight]).toEqual(['b'])
  })

  it('may leave while it is listed', () => {
    const flight = new InFlight<string>()
    const places = ['a', 'b', 'c'].map((item) => flight.add(item))
    const seen: string[] = []
    for (const item of flight) {
      seen.push(item)
      for (const place of places) if (place.item === item) flight.remove(place)
    }
    expect(seen).toEqual(['a', 'b', 'c'])
  })
})
