import { setTimeout as sleep } from 'node:timers/promises'
import { headOf, RawConnection } from '../../support/raw-http.js'
import { bodyFor } from './junk.js'
import type { SlowPlan } from './messages.js'
import type { Tally } from './tally.js'

/*
 * Slow sockets: a third never end their headers, a third send their body byte by byte, a third stop halfway through the
 * body. Each is reopened soon after its response.
 */

const sorts = ['slow-headers', 'slow-body', 'half-upload'] as const
const headers = [
  ['User-Agent', 'Cheqpoint-Callback/1.0'],
  ['Content-Type', 'application/json'],
] as const
const dripMs = 250

/** Resolves with the number of connections. */
export async function holdSockets({ port, leaked, sockets, seconds }: SlowPlan, tally: Tally): Promise<number> {
  let opened = 0
  let over = false
  const open = new Set<RawConnection>()
  const hold = async (sort: (typeof sorts)[number]): Promise<void> => {
    while (!over) {
      opened++
      const connection = await RawConnection.open(port)
      open.add(connection)
      const drip = begin(connection, sort, leaked)
      const answer = await connection.answer().catch(() => null)
      clearInterval(drip)
      open.delete(connection)
      await connection.destroy()
      // A connection that ends with the attack needs no response.
      if (answer !== null || !over) tally.count(sort, answer)
      if (!over) await sleep(dripMs)
    }
  }
  const end = setTimeout(() => {
    over = true
    for (const connection of open) connection.socket.destroy()
  }, seconds * 1_000)
  await Promise.all(Array.from({ length: sockets }, (_, at) => hold(sorts[at % sorts.length] ?? 'slow-body')))
  clearTimeout(end)
  return opened
}

function begin(connection: RawConnection, sort: (typeof sorts)[number], path: string): NodeJS.Timeout | undefined {
  const body = bodyFor('pending_0')
  const head = headOf({ method: 'POST', path, headers }, [`Content-Length: ${body.length}`])
  if (sort === 'half-upload') {
    connection.write(head + body.slice(0, body.length / 2))
    return undefined
  }
  if (sort === 'slow-headers') {
    connection.write(head.slice(0, -2))
    return setInterval(() => connection.write('X-Slow: 1\r\n'), dripMs)
  }
  connection.write(head)
  let at = 0
  // Too slow to end within the body's time-out.
  return setInterval(() => at < body.length - 1 && connection.write(body.charAt(at++)), dripMs)
}
