import { setTimeout as sleep } from 'node:timers/promises'
import { RawConnection, type Received } from '../../support/raw-http.js'
import type { Tally } from './tally.js'

/** One request of a flood: its kind and its bytes. */
export interface Shot {
  readonly sort: string
  readonly bytes: string
}

export interface FloodTerms {
  readonly port: number
  readonly tally: Tally
  readonly connections: number
  /** Pipelined requests per connection before responses are read. */
  readonly depth: number
  readonly perSecond: number
  readonly count: number
  /** Duration, after which nothing is sent. */
  readonly seconds: number
  readonly next: () => Shot
}

/** Sends requests on pipelined connections at this rate, or as fast as responses arrive. Resolves with their number. */
export async function flood(terms: FloodTerms): Promise<number> {
  const { port, tally, connections, depth, perSecond, count, seconds, next } = terms
  const startedAt = performance.now()
  let sent = 0
  const allowed = (): number => {
    const elapsed = (performance.now() - startedAt) / 1_000
    return elapsed >= seconds ? -1 : Math.min(depth, count - sent, Math.floor(elapsed * perSecond) + 1 - sent)
  }
  const work = async (): Promise<void> => {
    let connection = await RawConnection.open(port)
    while (sent < count) {
      const most = allowed()
      if (most < 0) break
      if (most === 0) {
        await sleep(2)
        continue
      }
      sent += most
      const shots = Array.from({ length: most }, next)
      connection.write(shots.map(({ bytes }) => bytes).join(''))
      let open = true
      for (const { sort } of shots) {
        const answer: Received | null = open ? await connection.answer().catch(() => null) : null
        open &&= answer !== null
        tally.count(sort, answer)
      }
      if (open) continue
      await connection.destroy()
      connection = await RawConnection.open(port)
    }
    await connection.destroy()
  }
  await Promise.all(Array.from({ length: connections }, work))
  return sent
}
