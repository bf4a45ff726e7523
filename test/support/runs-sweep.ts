import type { TypedReceiver } from '../../src/index.js'
import type { FakeAnswer, FakeApi } from './fake-api.js'
import { refund } from './receiver.js'

/** Ids `req_0`, `req_1` and so on. */
export function ids(count: number): readonly string[] {
  return Array.from({ length: count }, (_each, index) => `req_${index}`)
}

/** Registers each id as a refund. */
export async function trackAll(receiver: TypedReceiver, all: readonly string[]): Promise<void> {
  for (const id of all) await receiver.track(id, refund)
}

/** Records the times of an approval's polls, in milliseconds from now, and responds by the given function. */
export function timeGets(api: FakeApi, all: readonly string[], answer: (id: string) => FakeAnswer | 'hang'): number[] {
  const from = performance.now()
  const times: number[] = []
  for (const id of all) {
    api.answer(id, () => {
      times.push(performance.now() - from)
      return answer(id)
    })
  }
  return times
}

/** The API's response for an undecided approval. */
export function pending(id: string): FakeAnswer {
  return { body: { id, status: 'PENDING', modifiedDetails: null, decisionNote: null, decidedAt: null } }
}

/** The API's response for an approval. */
export function approved(id: string, decidedAt: string | null = '2026-11-20T09:00:00.000Z'): FakeAnswer {
  return { body: { id, status: 'APPROVED', modifiedDetails: null, decisionNote: null, decidedAt } }
}

/** Whether a token bucket of `perSecond`, full at first, allows these times. */
export function withinBucket(times: readonly number[], perSecond: number): boolean {
  return times.every((from, first) =>
    times.slice(first).every((to, more) => more + 1 <= perSecond + ((to - from) / 1000) * perSecond + 1e-6),
  )
}
