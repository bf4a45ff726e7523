import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnreadBodies } from '../../../src/http/body.js'

const limits = { max: 10, maxBytes: 1_000, timeoutMs: 5_000 }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a body that is waited for', () => {
  it('is given up when its time is over, once', () => {
    const giveUp = vi.fn()
    new UnreadBodies(limits).start(giveUp)
    vi.advanceTimersByTime(4_999)
    expect(giveUp).not.toHaveBeenCalled()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).toHaveBeenCalledOnce()
  })

  it('is not given up once it is there', () => {
    const giveUp = vi.fn()
    new UnreadBodies(limits).start(giveUp).end()
    vi.advanceTimersByTime(60_000)
    expect(giveUp).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('end with 408, the oldest first, where there are too many', () => {
    const bodies = new UnreadBodies({ ...limits, max: 2 })
    const given: string[] = []
    const [, second] = ['first', 'second', 'third'].map((name) => bodies.start(() => given.push(name)))
    expect(given).toEqual(['first'])
    second?.end()
    bodies.start(() => given.push('fourth'))
    expect(given).toEqual(['first'])
    bodies.start(() => given.push('fifth'))
    expect(given).toEqual(['first', 'third'])
  })

  it('gives way, the oldest first, where too many bytes have come of all of them', () => {
    const bodies = new UnreadBodies(limits)
    const given: string[] = []
    const [first, , third] = ['first', 'second', 'third'].map((name) => bodies.start(() => given.push(name)))
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
    const ended = bodies.start(() => given.push('ended'))
    ended.keep(1_000)
    ended.end()
    ended.end()
    ended.keep(1_000)
    bodies.start(() => given.push('other')).keep(1_000)
    expect(given).toEqual([])
  })
})
