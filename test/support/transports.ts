import { onTestFinished, vi } from 'vitest'

/** What a client can send with, if it is given no dispatcher. */
export const transports = ['undici', 'fetch'] as const
export type TransportName = (typeof transports)[number]

/** Has the clients of one test send with this: with `fetch` as on a runtime whose undici cannot dispatch. */
export function sendOver(transport: TransportName): void {
  if (transport === 'undici') return
  vi.doMock('undici', () => ({ Pool: class {} }))
  onTestFinished(() => void vi.doUnmock('undici'))
}
