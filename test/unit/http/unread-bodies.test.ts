import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnreadBodies } from '../../../src/http/unread-bodies.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a body that is waited for', () => {
  it('is given up when its time is over, once', () => {
    const giveUp = vi.fn()
    new UnreadBodies(10, 5_000).start(giveUp)
    vi.advanceTimersByTime(4_999)
    expect(giveUp).not.toHaveBeenCalled()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).toHaveBeenCalledOnce()
  })

  it('is not given up once it is there', () => {
    const giveUp = vi.fn()
    const end = new UnreadBodies(10, 5_000).start(giveUp)
    end()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('end with 408, the oldest first, where there are too many', () => {
    const bodies = new UnreadBodies(2, 5_000)
    const given: string[] = []
    const ends = ['first', 'second', 'third'].map((name) => bodies.start(() => given.push(name)))
    expect(given).toEqual(['first'])
    ends[1]?.()
    bodies.start(() => given.push('fourth'))
    expect(given).toEqual(['first'])
    bodies.start(() => given.push('fifth'))
    expect(given).toEqual(['first', 'third'])
  })
})
