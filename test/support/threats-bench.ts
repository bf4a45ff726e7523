import { afterAll, afterEach, beforeAll, describe, onTestFinished } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { type AdapterBench, adapterBench } from './adapters-bench.js'
import { type Host, type Mounted, type OpenHost, type OpenSocketHost, type SocketHost, socketHosts } from './hosts.js'
import { RawConnection } from './raw-http.js'

/** One host, with the receiver of the test that runs behind it. */
export interface Stage<Open extends OpenHost> {
  readonly takes: Host['takes']
  /** Puts a receiver that tracks `req_1` behind the host. */
  readonly bench: (options?: Partial<ReceiverOptions>) => Promise<AdapterBench>
  readonly host: () => Open
}

interface Openable<Open extends OpenHost> extends Pick<Host, 'name' | 'takes'> {
  readonly open: (receiver: Mounted) => Promise<Open>
}

/** One host for each way of reading a body from a socket; that all others answer as these do, the conformance table shows. */
export const servers: readonly SocketHost[] = socketHosts.filter(({ name }) =>
  /app\.all|c\.req\.raw|by hand/.test(name),
)

/** The same tests behind each of these hosts. */
export function behind<Open extends OpenHost>(
  hosts: readonly Openable<Open>[],
  tests: (stage: Stage<Open>) => void,
): void {
  describe.each(hosts.map((host) => [host.name, host] as const))('%s', (_, { takes, open }) => {
    let current: AdapterBench
    let host: Open
    beforeAll(async () => {
      host = await open({
        handle: (...args) => current.receiver.handle(...args),
        fetch: (...args) => current.receiver.fetch(...args),
      })
    })
    afterEach(() => current.receiver.close())
    afterAll(() => host.close())
    const bench = async (options?: Partial<ReceiverOptions>): Promise<AdapterBench> => {
      current = await adapterBench(options)
      return current
    }
    tests({ takes, bench, host: () => host })
  })
}

/** A connection that ends with the test. */
export async function connectTo({ port }: OpenSocketHost): Promise<RawConnection> {
  const connection = await RawConnection.open(port)
  onTestFinished(() => connection.destroy())
  return connection
}

/** What a callback caused: GETs, runs of the handler, calls of the store. */
export function effects({ api, runs, storeCalls }: AdapterBench): {
  readonly gets: number
  readonly runs: number
  readonly storeCalls: readonly string[]
} {
  return { gets: api.gets.length, runs: runs.length, storeCalls: [...storeCalls] }
}

/** The effects of a callback that was refused before anybody was asked. */
export const none: ReturnType<typeof effects> = { gets: 0, runs: 0, storeCalls: [] }
