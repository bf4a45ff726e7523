import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Clock, systemClock } from '../../../src/util/clock.js'
import { SharedTimer } from '../../../src/util/shared-timer.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('an alarm', () => {
  it('rings once when its time is up, and not a millisecond before', async () => {
    const ring = vi.fn()
    new SharedTimer(5_000, systemClock).start(ring)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(ring).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(ring).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ring).toHaveBeenCalledOnce()
  })

  it('does not ring for who disarmed it, and does for the others', async () => {
    const alarm = new SharedTimer(5_000, systemClock)
    const [first, second] = [vi.fn(), vi.fn()]
    const disarm = alarm.start(first)
    alarm.start(second)
    disarm()
    disarm()
    await vi.advanceTimersByTimeAsync(5_000)
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1])
  })

  it('rings for each at its own time, in the order of arming', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    const rung: string[] = []
    const start = Date.now()
    for (const pause of [0, 300, 0, 650]) {
      await vi.advanceTimersByTimeAsync(pause)
      alarm.start(() => rung.push(`armed ${Date.now() - 1_000 - start}`))
    }
    await vi.advanceTimersByTimeAsync(2_000)
    expect(rung).toEqual(['armed 0', 'armed 300', 'armed 300', 'armed 950'])
  })

  it('keeps everybody else in their order, whoever leaves', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    const rung: number[] = []
    const disarms = Array.from({ length: 7 }, (_, at) => alarm.start(() => rung.push(at)))
    for (const at of [3, 0, 6, 3, 4]) disarms[at]?.()
    alarm.start(() => rung.push(7))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(rung).toEqual([1, 2, 5, 7])
  })

  it('can be rung for all who wait, once and in order, and not for those who arm it meanwhile', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    const rung: string[] = []
    for (const name of ['first', 'second']) {
      alarm.start(() => {
        rung.push(name)
        alarm.start(() => rung.push(`${name} again`))
      })
    }
    alarm.fireAll()
    expect(rung).toEqual(['first', 'second'])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(rung).toEqual(['first', 'second', 'first again', 'second again'])
    alarm.fireAll()
    expect(rung).toHaveLength(4)
  })

  it('needs one timer for any number of waits, and none once they are over', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    expect(vi.getTimerCount()).toBe(0)
    for (let each = 0; each < 100; each++) alarm.start(() => {})
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('can be armed from within a ring, and after it has been quiet', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    const again = vi.fn()
    alarm.start(() => alarm.start(again))
    await vi.advanceTimersByTimeAsync(1_999)
    expect(again).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(again).toHaveBeenCalledOnce()
    const later = vi.fn()
    alarm.start(later)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(later).toHaveBeenCalledOnce()
  })

  it('lets one ring disarm another that is due at the same moment', async () => {
    const alarm = new SharedTimer(1_000, systemClock)
    const second = vi.fn()
    const disarms: (() => void)[] = []
    alarm.start(() => {
      for (const disarm of disarms) disarm()
    })
    disarms.push(alarm.start(second))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(second).not.toHaveBeenCalled()
  })

  it('goes by the clock it was given: a timer that fires early does not ring early', async () => {
    let elapsed = 0
    const clock: Clock = { now: () => Date.now(), elapsed: () => elapsed }
    const ring = vi.fn()
    new SharedTimer(1_000, clock).start(ring)
    elapsed = 999.5
    await vi.advanceTimersByTimeAsync(1_000)
    expect(ring).not.toHaveBeenCalled()
    elapsed = 1_000
    await vi.advanceTimersByTimeAsync(1)
    expect(ring).toHaveBeenCalledOnce()
  })

  it('does not keep the process alive', async () => {
    vi.useRealTimers()
    const set = vi.spyOn(globalThis, 'setTimeout')
    new SharedTimer(60_000, systemClock).start(() => {})
    const timer: NodeJS.Timeout = set.mock.results[0]?.value
    expect(timer.hasRef()).toBe(false)
    clearTimeout(timer)
    set.mockRestore()
  })
})
