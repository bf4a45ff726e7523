import { onTestFinished, vi } from 'vitest'

/** The transports of a client without a dispatcher. */
export const transports = ['undici', 'fetch'] as const
export type TransportName = (typeof transports)[number]

/** Sets the transport of the clients in one test; `fetch` as on a runtime whose undici cannot dispatch. */
export function sendOver(transport: TransportName): void {
  if (transport === 'undici') return
  vi.doMock('undici', () => ({ Pool: class {} }))
  onTestFinished(() => void vi.doUnmock('undici'))
}
