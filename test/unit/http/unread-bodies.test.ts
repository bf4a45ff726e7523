import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnreadBodies } from '../../../src/http/body.js'

const limits = { max: 10, maxBytes: 1_000, timeoutMs: 5_000 }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Begins to receive a body of any length, by hand. `giveUp` is called when it is refused. */
function receive(bodies: UnreadBodies, giveUp: () => void) {
  const begun: { keep: (bytes: number) => void; end: () => void }[] = []
  void bodies.receive(Number.POSITIVE_INFINITY, (receiving) => {
    begun.push(receiving)
    return (isRefused) => {
      if (isRefused) giveUp()
    }
  })
  return begun[0]
}

describe('a body that is received', () => {
  it('is given up when its time is over, once', () => {
    const giveUp = vi.fn()
    receive(new UnreadBodies(limits), giveUp)
    vi.advanceTimersByTime(4_999)
    expect(giveUp).not.toHaveBeenCalled()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).toHaveBeenCalledOnce()
  })

  it('is not given up once it is there', () => {
    const giveUp = vi.fn()
    receive(new UnreadBodies(limits), giveUp)?.end()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('gives way, the oldest first, where there are too many', () => {
    const bodies = new UnreadBodies({ ...limits, max: 2 })
    const given: string[] = []
    const [, second] = ['first', 'second', 'third'].map((name) => receive(bodies, () => given.push(name)))
    expect(given).toEqual(['first'])
    second?.end()
    receive(bodies, () => given.push('fourth'))
    expect(given).toEqual(['first'])
    receive(bodies, () => given.push('fifth'))
    expect(given).toEqual(['first', 'third'])
  })

  it('gives way, the oldest first, where too many bytes of all of them have arrived', () => {
    const bodies = new UnreadBodies(limits)
    const given: string[] = []
    const [first, , third] = ['first', 'second', 'third'].map((name) => receive(bodies, () => given.push(name)))
    first?.keep(400)
    third?.keep(600)
    expect(given).toEqual([])
    third?.keep(1)
    expect(given).toEqual(['first'])
    third?.keep(400)
    expect(given).toEqual(['first', 'second', 'third'])
  })

  it('counts no more once it has ended or given way', () => {
    const bodies = new UnreadBodies(limits)
    const given: string[] = []
    const ended = receive(bodies, () => given.push('ended'))
    ended?.keep(1_000)
    ended?.end()
    ended?.end()
    ended?.keep(1_000)
    receive(bodies, () => given.push('other'))?.keep(1_000)
    expect(given).toEqual([])
  })
})
