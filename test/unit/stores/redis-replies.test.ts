import { describe, expect, it } from 'vitest'
import { redisStore, requiredCommands, type SendCommand } from '../../../src/stores/redis/redis-store.js'
import type { Store } from '../../../src/stores/store.js'
import { entry, hour } from '../../support/redis-bench.js'

/* What the Redis store makes of replies that its scripts never give, and of errors: a broken client, a proxy, a server in trouble. */

const calls: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  read: (store) => store.read('a:apr-1'),
  write: (store) => store.write('a:apr-1', null, entry()),
  takeDue: (store) => store.takeDue(1, hour),
  list: (store) => store.list('due', { limit: 1 }),
  count: (store) => store.count(),
  remove: (store) => store.remove('a:apr-1', 'digest'),
}

function answering(reply: unknown, partitions = 1): Store {
  return redisStore({ sendCommand: async () => reply, partitions })
}

function failing(error: unknown): Store {
  return redisStore({ sendCommand: () => Promise.reject(error) })
}

describe('replies of the wrong shape', () => {
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    read: [
      ...[null, undefined, 'text', [], [1], [1, 2, 'surprise'], ['soon', 0, 'none'], [1, null, 'none']],
      ...[
        [1, 2, 'entry'],
        [1, 2, 'entry', 'x', 'soon'],
        [1, 2, 'entry', 'x'],
        [1, 2, 'unreadable'],
      ],
    ],
    write: [null, undefined, 'text', 2, [], Buffer.from('1')],
    takeDue: [null, 1, ['soon'], [0, 5], [0, 'key', null]],
    list: [null, 1, [5, '1'], [null, '1']],
    count: [null, 1, ['x', 0, 0], [0, 'x', 0], [null, 0, 0]],
    remove: [null, 'yes', -1, []],
  }
  for (const [method, replies] of Object.entries(wrong)) {
    it(`end with store-response in ${method}`, async () => {
      for (const reply of replies) {
        await expect(calls[method]?.(answering(reply)), JSON.stringify(reply)).rejects.toMatchObject({
          code: 'store-response',
        })
      }
    })
  }

  it('that would go on for ever end', async () => {
    const differing = [1, 2, 'entry', '1 stamp\n 5\n{}', null, null]
    expect((await answering(differing).read('a:apr-1')).entry?.dueAt).toBeNull()
    await expect(answering([1, 2, 'entry', 'damaged', null, null]).read('a:apr-1')).rejects.toMatchObject({
      code: 'store-response',
    })
    // A look finds what a take never gets.
    const looking: SendCommand = async (args) => (args.at(-1) === '' ? [0, 'a:apr-1', '1'] : [0])
    const store = redisStore({ sendCommand: looking, partitions: 2 })
    expect(await store.takeDue(4, hour)).toEqual({ keys: [], nextDueInMs: 0 })
    const gone: SendCommand = async (_args, key) =>
      key.endsWith(':due') ? ['a:1', '1', 'a:2', '1', 'a:3', '1'] : [1, 2, 'none']
    const { items } = await redisStore({ sendCommand: gone }).list('due', { limit: 2 })
    expect(items).toEqual([])
  })

  it('are accepted as text and as bigint where they are integers', async () => {
    expect(await answering(['5', '7000', 'none']).read('a:apr-1')).toEqual({ now: 5_007, entry: null })
    expect(await answering([5n, 7_999n, 'none']).read('a:apr-1')).toEqual({ now: 5_007, entry: null })
    expect(await answering('1').write('a:apr-1', null, entry())).toBe(true)
    expect(await answering(1n).write('a:apr-1', null, entry())).toBe(true)
  })
})

describe('errors of Redis and of clients', () => {
  const glide = 'An error was signalled by the server: -'
  const old = 'ERR Error running script (call to f_6b1b): @user_script:5: @user_script: 5: -'
  const codes: readonly (readonly [message: string, code: string])[] = [
    ["READONLY You can't write against a read only replica.", 'store-unavailable'],
    ['LOADING Redis is loading the dataset in memory', 'store-unavailable'],
    ['BUSY Redis is busy running a script.', 'store-unavailable'],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'store-unavailable'],
    ['CLUSTERDOWN The cluster is down', 'store-unavailable'],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'store-unavailable'],
    ['NOREPLICAS Not enough good replicas to write.', 'store-unavailable'],
    ['MISCONF Redis is configured to save RDB snapshots', 'store-unavailable'],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'store-unavailable'],
    ['UNKILLABLE Sorry the script already executed write commands', 'store-unavailable'],
    ['ERR max number of clients reached', 'store-unavailable'],
    [`${old}READONLY You can’t write`, 'store-unavailable'],
    [`${old}MISCONF Errors writing to the AOF file`, 'store-unavailable'],
    ['read ECONNRESET', 'store-unavailable'],
    ['Connection is closed.', 'store-unavailable'],
    ['Command timed out', 'store-unavailable'],
    ['Too many Cluster redirections. Last error: MOVED 1 127.0.0.1:1', 'store-unavailable'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'store-full'],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 6b1b, on @user_script:3.", 'store-full'],
    ["OOM: command not allowed when used memory > 'maxmemory'.", 'store-full'],
    [`${old}OOM command not allowed`, 'store-full'],
    ['NOAUTH Authentication required.', 'store-unsuitable'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'store-unsuitable'],
    ["NOPERM this user has no permissions to run the 'evalsha' command", 'store-unsuitable'],
    [`${old}NOPERM User executing the script can't access`, 'store-unsuitable'],
    ["ERR The user executing the script can't run this command or subcommand script: 6b1b", 'store-unsuitable'],
    ["ERR ACL failure in script: User app has no permissions to run the 'zadd' command", 'store-unsuitable'],
    [`${glide} PermissionDenied: this user has no permissions to run the 'set' command`, 'store-unsuitable'],
    [`${glide} ResponseError: The user executing the script can't run this command`, 'store-unsuitable'],
    ['MOVED 3999 127.0.0.1:6381', 'store-unsuitable'],
    ['ASK 3999 127.0.0.1:6381', 'store-unsuitable'],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'store-unsuitable'],
    ['All keys in the pipeline should belong to the same slots allocation group', 'store-unsuitable'],
    ["ERR unknown command 'EVALSHA'", 'store-unsuitable'],
    [`${glide} ResponseError: unknown command 'EVALSHA'`, 'store-unsuitable'],
    ["ERR wrong number of arguments for 'evalsha' command", 'store-unsuitable'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'store-response'],
  ]
  for (const [message, code] of codes) {
    it(`are ${code}: ${message.slice(0, 90)}`, async () => {
      for (const call of Object.values(calls)) {
        await expect(call(failing(new Error(message)))).rejects.toMatchObject({ code })
      }
    })
  }

  it.each([
    ['before 5.9', 'MOVED 3999 127.0.0.1:6381'],
    ['before 5.11', 'All keys in the pipeline should belong to the same slots allocation group'],
  ])('name the version of ioredis that may pipeline by itself in a cluster: one %s', async (_, message) => {
    await expect(failing(new Error(message)).read('a:apr-1')).rejects.toThrow(/\(ioredis: 5\.11 or newer\)/)
  })

  it('name what a user may not, and every command that is needed', async () => {
    const message = "ERR ACL failure in script: User app has no permissions to run the 'zadd' command"
    const error: unknown = await failing(new Error(message))
      .read('a:apr-1')
      .catch((reason: unknown) => reason)
    expect(String(error)).toContain('NOPERM to zadd')
    for (const name of requiredCommands) expect(String(error)).toContain(`+${name} `)
  })

  it('say the word of Redis, or the code or class of the client’s error', async () => {
    class ClientClosedError extends Error {}
    for (const [error, text] of [
      [new Error('LOADING Redis is loading'), 'LOADING'],
      [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
      [new ClientClosedError('The client is closed'), 'ClientClosedError'],
      ['a text', 'string'],
      [undefined, 'undefined'],
      [null, 'object'],
    ] as const) {
      await expect(failing(error).read('a:apr-1')).rejects.toThrow(text)
    }
    await expect(failing(null).read('a:apr-1')).rejects.toThrow('check that it runs')
  })

  it('never pass on what a client’s error quotes', async () => {
    const secrets = ['the-stamp', 'the-payload', 'the-id']
    for (const word of ['OOM', 'READONLY', 'ERR', 'ERR unknown command', 'NOPERM', 'MOVED', 'write failed:']) {
      const quoting = Object.assign(new Error(`${word} ${secrets.join()}`), {
        command: { name: 'evalsha', args: secrets },
        code: secrets.join(),
      })
      const state = { text: 'the-payload' }
      const error: unknown = await failing(quoting)
        .write('a:the-id', null, entry({ stamp: 'the-stamp', state }))
        .catch((reason: unknown) => reason)
      if (!(error instanceof Error)) throw new Error('no error')
      for (const secret of secrets) expect(`${error.stack}${JSON.stringify(error)}${error.cause}`).not.toContain(secret)
    }
  })

  it('are the same where a client hands them over as values', async () => {
    await expect(answering(new Error('LOADING')).read('a:apr-1')).rejects.toMatchObject({ code: 'store-unavailable' })
  })
})

describe('options of redisStore', () => {
  const sendCommand: SendCommand = () => Promise.reject(new Error('nothing is sent'))

  it('accept their bounds', () => {
    for (const options of [
      { prefix: 'a', partitions: 1, minReplicas: 0, replicaTimeoutMs: 1 },
      { prefix: 'a'.repeat(64), partitions: 1_024, minReplicas: 64, replicaTimeoutMs: 600_000 },
      { allowEviction: true },
      { allowEviction: false, prefix: undefined, partitions: undefined },
    ]) {
      expect(() => redisStore({ sendCommand, ...options })).not.toThrow()
    }
  })

  const wrong: readonly (readonly [given: unknown, code: string, name: string])[] = [
    [undefined, 'option-missing', 'sendCommand'],
    [{}, 'option-missing', 'sendCommand'],
    [{ sendCommand: 'x' }, 'option-invalid', 'sendCommand'],
    [{ sendCommand, client: 1 }, 'option-unknown', 'client'],
    [{ sendCommand, prefix: '' }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: '{a}' }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: 'a'.repeat(65) }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: 7 }, 'option-invalid', 'prefix'],
    [{ sendCommand, partitions: 0 }, 'option-invalid', 'partitions'],
    [{ sendCommand, partitions: 1_025 }, 'option-invalid', 'partitions'],
    [{ sendCommand, partitions: 1.5 }, 'option-invalid', 'partitions'],
    [{ sendCommand, minReplicas: -1 }, 'option-invalid', 'minReplicas'],
    [{ sendCommand, minReplicas: 65 }, 'option-invalid', 'minReplicas'],
    [{ sendCommand, replicaTimeoutMs: 0 }, 'option-invalid', 'replicaTimeoutMs'],
    [{ sendCommand, allowEviction: 'yes' }, 'option-invalid', 'allowEviction'],
  ]
  for (const [given, code, name] of wrong) {
    it(`refuse ${JSON.stringify(given)} as ${code}, naming ${name}`, () => {
      // Callers without types can give anything.
      const create = () => redisStore(given as Parameters<typeof redisStore>[0])
      expect(create).toThrow(expect.objectContaining({ code, message: expect.stringContaining(name) }))
    })
  }
})
