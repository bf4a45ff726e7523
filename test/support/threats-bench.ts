import { afterAll, afterEach, beforeAll, describe, onTestFinished } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { type AdapterBench, adapterBench } from './adapters-bench.js'
import {
  type Host,
  hosts,
  type Mounted,
  type OpenHost,
  type OpenSocketHost,
  type SocketHost,
  socketHosts,
} from './hosts.js'
import { RawConnection } from './raw-http.js'

/** One host, with the receiver of the test that runs behind it. */
export interface Stage<Open extends OpenHost> {
  /** Puts a receiver that tracks `req_1` behind the host. */
  readonly bench: (options?: Partial<ReceiverOptions>) => Promise<AdapterBench>
  readonly host: () => Open
}

interface Openable<Open extends OpenHost> extends Pick<Host, 'name'> {
  readonly open: (receiver: Mounted) => Promise<Open>
}

/** One host for each way of reading a body from a socket. The conformance table covers the others. */
export const servers: readonly SocketHost[] = socketHosts.filter(({ name }) =>
  /app\.all|at a prefix|c\.req\.raw|by hand/.test(name),
)

/** These hosts, and `receiver.fetch` without a socket. */
export const ways: readonly Host[] = [...servers, ...hosts.filter(({ name }) => name === 'receiver.fetch')]

/** Runs the same tests behind each of these hosts. */
export function behind<Open extends OpenHost>(
  list: readonly Openable<Open>[],
  tests: (stage: Stage<Open>) => void,
): void {
  describe.each(list.map((host) => [host.name, host] as const))('%s', (_, { open }) => {
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
    tests({ bench, host: () => host })
  })
}

/** A connection that ends with the test. */
export async function connectTo({ port }: OpenSocketHost): Promise<RawConnection> {
  const connection = await RawConnection.open(port)
  onTestFinished(() => connection.destroy())
  return connection
}

/** How many connections the server has. */
export function connectionsOf({ server }: OpenSocketHost): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

/** The effects of a callback: GETs, runs of the handler, store calls. */
export function effects({ api, runs, storeCalls }: AdapterBench): {
  readonly gets: number
  readonly runs: number
  readonly storeCalls: readonly string[]
} {
  return { gets: api.gets.length, runs: runs.length, storeCalls: [...storeCalls] }
}

/** The effects of a callback that was refused without an API or store call. */
export const none: ReturnType<typeof effects> = { gets: 0, runs: 0, storeCalls: [] }
