import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { postgresStore } from '../../../src/stores/sql/postgres-store.js'

/** As in node-redis and ioredis: its methods are those of its class, its fields its own. */
class RedisClient {
  readonly status = 'ready'
  async sendCommand(): Promise<unknown> {
    return null
  }
}

const makers = [
  ['redisStore', (given: unknown) => redisStore(given as Parameters<typeof redisStore>[0])],
  ['postgresStore', (given: unknown) => postgresStore(given as Parameters<typeof postgresStore>[0])],
] as const

describe.each(makers)('%s()', (name, make) => {
  it.each([
    ['a client of Redis', new RedisClient()],
    ['a pool of Postgres', new Pool()],
    ['the function that is a client of postgres.js', () => []],
    ['a URL', 'redis://localhost:6379'],
  ])('refuses %s in place of options, with the right call', (_words, given) => {
    expect(() => make(given)).toThrow(`options are an object, not a client or its URL; call ${name}({ `)
  })

  it('takes options of a class of the app', () => {
    const call = async (): Promise<[]> => []
    class Redis {
      readonly sendCommand = call
    }
    class Postgres {
      readonly query = call
    }
    expect(() => make(name === 'redisStore' ? new Redis() : new Postgres())).not.toThrow()
  })

  it('still suggests the name of a misspelt option', () => {
    const misspelt = name === 'redisStore' ? { sendComand() {} } : { querry() {} }
    expect(() => make(misspelt)).toThrow(/did you mean (sendCommand|query)\?/)
  })
})
