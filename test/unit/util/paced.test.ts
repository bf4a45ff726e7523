import { expect, test } from 'vitest'
import { paced } from '../../../src/util/paced.js'

/** Work that takes at least so long. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('work runs at once, in the call itself, while little time was spent', async () => {
  const run = paced(1_000)
  const order: string[] = []
  const first = run(() => order.push('work'))
  order.push('caller')
  expect(await first).toBe(1)
  expect(order).toEqual(['work', 'caller'])
})

test('slow work runs one piece a turn of the event loop, in order, and what is quick waits for its turn', async () => {
  const run = paced(5)
  const order: string[] = []
  const turn = () => setImmediate(() => order.push('turn'))
  const piece = (name: string, ms: number) =>
    run(() => {
      order.push(name)
      turn()
      busy(ms)
    })
  await Promise.all([piece('a', 6), piece('b', 6), piece('c', 0), piece('d', 6), piece('e', 0)])
  const turns = order.join(' ').split(/(?: turn)+ ?/)
  expect(turns.filter((each) => each !== '')).toEqual(['a', 'b', 'c d', 'e'])
})

test('work that throws rejects, and its time counts', async () => {
  const run = paced(5)
  const failed = run(() => {
    busy(6)
    throw new Error('broken')
  })
  let isLater = false
  setImmediate(() => {
    isLater = true
  })
  const seen = run(() => isLater)
  await expect(failed).rejects.toThrow('broken')
  expect(await seen).toBe(true)
})
