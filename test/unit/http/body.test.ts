import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BodyLimits, type CallbackBody, readBody, UnreadBodies } from '../../../src/http/body.js'

const value = { approvalId: 'req_1', status: 'approved', decisionNote: 'grüße ☕' }
const text = JSON.stringify(value)
const bytes = Buffer.from(text)
const limitsOfUnread = { max: 10, maxBytes: 1_000_000, timeoutMs: 5_000 }

beforeEach(() => {
  vi.useFakeTimers({
    now: new Date('2026-11-20T10:00:00Z'),
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
  })
})
afterEach(() => {
  vi.useRealTimers()
})

function read(body: CallbackBody, maxBytes = 262_144): ReturnType<typeof readBody> {
  return readBody(body, { maxBytes, unread: new UnreadBodies(limitsOfUnread) })
}

/** Both kinds of stream, made of the same chunks. */
const streams = [
  ['a stream of Node', (chunks: readonly Uint8Array[]) => Readable.from(chunks, { objectMode: false })],
  ['a web stream', (chunks: readonly Uint8Array[]) => webStream(chunks)],
] as const

describe.each(streams)('%s', (_, from) => {
  it('is read to its end and parsed', async () => {
    expect(await read({ stream: from([bytes]) })).toEqual({ value })
  })

  it('may come in chunks that cut a character in two', async () => {
    const chunks = Array.from(bytes, (byte) => Uint8Array.of(byte))
    expect(await read({ stream: from(chunks) })).toEqual({ value })
  })

  it('is malformed when it is empty', async () => {
    expect(await read({ stream: from([]) })).toEqual({ kind: 'malformed' })
  })

  it('may be as long as the limit, whether in one chunk or in many', async () => {
    for (const chunks of [[bytes], halves(bytes)]) {
      expect(await read({ stream: from(chunks) }, bytes.length + 1)).toEqual({ value })
      expect(await read({ stream: from(chunks) }, bytes.length)).toEqual({ value })
    }
  })

  it('is too large with one byte more than the limit, whether in one chunk or in many', async () => {
    for (const chunks of [[bytes], halves(bytes)]) {
      expect(await read({ stream: from(chunks) }, bytes.length - 1)).toEqual({ kind: 'body-too-large' })
    }
  })

  it('is counted in bytes and not in characters', async () => {
    expect(text.length).toBeLessThan(bytes.length)
    expect(await read({ stream: from([bytes]) }, text.length)).toEqual({ kind: 'body-too-large' })
  })

  it('is malformed where it is no UTF-8, or starts with a byte order mark', async () => {
    const faults = [[0xff], [0xc3, 0x28], [0xe2, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80]]
    for (const fault of faults) {
      const note = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(fault), Buffer.from('"}')])
      expect(await read({ stream: from([note]) })).toEqual({ kind: 'malformed' })
    }
    const marks = [Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]
    for (const mark of marks) {
      expect(await read({ stream: from([Buffer.concat([mark, bytes])]) })).toEqual({ kind: 'malformed' })
    }
    expect(await read({ stream: from([Buffer.from(text, 'utf16le')]) })).toEqual({ kind: 'malformed' })
  })

  it.each(['{', 'null,', "{'a':1}", '{"a":1}{"b":2}', '{"a":NaN}', 'undefined'])(
    'is malformed where it is no JSON: %s',
    async (body) => {
      expect(await read({ stream: from([Buffer.from(body)]) })).toEqual({ kind: 'malformed' })
    },
  )

  it('may be nested as deep as its size allows, since only the id counts', async () => {
    const nested = Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
    expect(await read({ stream: from([nested]) })).toHaveProperty('value')
  })

  it('survives a nesting bomb', async () => {
    const bomb = Buffer.from('['.repeat(100_000))
    expect(await read({ stream: from([bomb]) })).toEqual({ kind: 'malformed' })
  })
})

it.each<readonly [string, (chunks: readonly unknown[]) => unknown]>([
  ['a stream of Node', (chunks) => Readable.from(chunks)],
  ['a web stream', (chunks) => Readable.toWeb(Readable.from(chunks))],
])('%s that yields something other than bytes is malformed, and does not displace later bodies', async (_, from) => {
  const limits = { maxBytes: 262_144, unread: new UnreadBodies(limitsOfUnread) }
  for (const wrong of [{}, 1, new Uint16Array(1), new DataView(new ArrayBuffer(1))]) {
    // Made by hand: the type says bytes.
    const stream = from([wrong, wrong]) as Readable
    expect(await readBody({ stream }, limits)).toEqual({ kind: 'malformed' })
  }
  expect(await readBody({ stream: Readable.from([bytes]) }, limits)).toEqual({ value })
})

describe('a stream of Node that never ends', () => {
  it('is too slow when the time is up, not a millisecond before', async () => {
    const stream = new PassThrough()
    const answers = watch(read({ stream }))
    stream.write('{"a":')
    await vi.advanceTimersByTimeAsync(4_999)
    expect(answers).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
  })

  it('is too slow even where a byte comes every second', async () => {
    const stream = new PassThrough()
    const answers = watch(read({ stream }))
    for (let second = 0; second < 5; second++) {
      stream.write(' ')
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
  })
})

describe('a stream of Node', () => {
  it('is read without a timer left that could ring', async () => {
    const answers = watch(read({ stream: Readable.from([bytes], { objectMode: false }) }))
    await turn()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(answers).toEqual([{ value }])
  })

  it('that was decoded before is read all the same', async () => {
    const stream = Readable.from([bytes], { objectMode: false })
    stream.setEncoding('utf8')
    expect(await read({ stream })).toEqual({ value })
  })

  it('that something else drained is known as drained, and not waited for', async () => {
    const stream = Readable.from([bytes], { objectMode: false })
    for await (const _ of stream);
    expect(await read({ stream })).toEqual({ kind: 'body-already-read' })
  })

  it('that something else started to read is drained as well', async () => {
    const stream = new PassThrough()
    stream.write(bytes)
    await turn()
    stream.read(1)
    expect(await read({ stream })).toEqual({ kind: 'body-already-read' })
  })

  it('that was destroyed before is aborted, and not waited for', async () => {
    const stream = new PassThrough()
    stream.destroy()
    // Its last event is over by now.
    await turn()
    const answers = watch(read({ stream }))
    await turn()
    expect(answers).toEqual([{ kind: 'body-aborted' }])
  })

  it.each([true, false])(
    'that was empty and is over is malformed, and not waited for (autoDestroy: %s)',
    async (autoDestroy) => {
      const stream = new Readable({ autoDestroy, read: () => {} })
      stream.push(null)
      stream.resume()
      await turn()
      const answers = watch(read({ stream }))
      await turn()
      expect(answers).toEqual([{ kind: 'malformed' }])
    },
  )

  it.each([
    ['is reset', new Error('ECONNRESET')],
    ['closes', undefined],
  ])('that %s in the middle is aborted', async (_, error) => {
    const stream = new PassThrough()
    const answer = read({ stream })
    stream.write('{"a":')
    await turn()
    stream.destroy(error)
    expect(await answer).toEqual({ kind: 'body-aborted' })
  })

  it('that something else paused is read', async () => {
    const stream = new PassThrough()
    stream.pause()
    stream.end(bytes)
    const answers = watch(read({ stream }))
    await turn()
    expect(answers).toEqual([{ value }])
  })

  it('is left alone after a refusal: paused, and a late reset harms nothing', async () => {
    const stream = new PassThrough()
    const listeners = (): readonly number[] => ['data', 'end', 'close'].map((name) => stream.listenerCount(name))
    const before = listeners()
    const answer = read({ stream }, 8)
    stream.write('123456789')
    expect(await answer).toEqual({ kind: 'body-too-large' })
    expect(stream.isPaused()).toBe(true)
    expect(listeners()).toEqual(before)
    expect(stream.listenerCount('error')).toBe(1)
    stream.destroy(new Error('ECONNRESET'))
    await turn()
  })

  it('that is too large is read one chunk past the limit at the most', async () => {
    let made = 0
    const endless = new Readable({
      highWaterMark: 1,
      read() {
        made++
        this.push(Buffer.alloc(100, 0x20))
      },
    })
    expect(await read({ stream: endless }, 1_000)).toEqual({ kind: 'body-too-large' })
    await turn()
    expect(made).toBeLessThanOrEqual(12)
  })
})

describe('a web stream', () => {
  it('that never ends is too slow when the time is up, and is cancelled', async () => {
    const cancel = vi.fn()
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(bytes), cancel })
    const answers = watch(read({ stream }))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(answers).toEqual([])
    expect(cancel).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
    expect(cancel).toHaveBeenCalledOnce()
  })

  it('that cannot even be cancelled is too slow all the same', async () => {
    const stream = new ReadableStream<Uint8Array>({ cancel: () => Promise.reject(new Error('stuck')) })
    const answers = watch(read({ stream }))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
  })

  it('that is too large is cancelled, one chunk past the limit at the most', async () => {
    let made = 0
    const cancel = vi.fn()
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made++
          controller.enqueue(new Uint8Array(100))
        },
        cancel,
      },
      { highWaterMark: 0 },
    )
    expect(await read({ stream }, 1_000)).toEqual({ kind: 'body-too-large' })
    expect(cancel).toHaveBeenCalledOnce()
    expect(made).toBe(11)
  })

  it('with a reader elsewhere counts as already read, without waiting', async () => {
    const stream = webStream([bytes])
    stream.getReader()
    expect(await read({ stream })).toEqual({ kind: 'body-already-read' })
  })

  it('that contains something other than bytes is malformed, and is cancelled', async () => {
    const cancel = vi.fn()
    // Made by hand: the type says bytes.
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(text as never), cancel })
    expect(await read({ stream })).toEqual({ kind: 'malformed' })
    expect(cancel).toHaveBeenCalledOnce()
  })

  it('that fails in the middle is aborted', async () => {
    let pulls = 0
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(bytes)
        else controller.error(new Error('ECONNRESET'))
      },
    })
    expect(await read({ stream })).toEqual({ kind: 'body-aborted' })
  })
})

describe('bodies of which the whole does not come', () => {
  const limits = (maxBytes: number): BodyLimits => ({
    maxBytes: 100,
    unread: new UnreadBodies({ ...limitsOfUnread, maxBytes }),
  })
  const endless = {
    'a stream of Node': () => new PassThrough(),
    'a web stream': () => new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(half) }),
  }
  const half = Buffer.alloc(50, '{')

  it.each(Object.entries(endless))('%s: what is kept of all is bounded, and the oldest gives way', async (_, open) => {
    const unread = limits(149)
    const bodies = ['first', 'second', 'third'].map((name) => {
      const stream = open()
      if ('write' in stream) stream.write(half)
      const answers = watch(readBody({ stream }, unread))
      return { name, answers }
    })
    await turn()
    expect(bodies.map(({ answers }) => answers)).toEqual([[{ kind: 'body-too-slow' }], [], []])
  })

  it('a host that reads in one piece: what was declared is counted at once', async () => {
    const unread = limits(149)
    const whole = (): Promise<ArrayBuffer> => new Promise(() => {})
    const bodies = [50, 50, 50].map((declared) => watch(readBody({ stream: null, whole }, unread, declared)))
    await turn()
    expect(bodies).toEqual([[{ kind: 'body-too-slow' }], [], []])
  })

  it('are dropped where the host can, and only then', async () => {
    const drop = vi.fn()
    await readBody({ stream: Readable.from([bytes], { objectMode: false }), drop }, limits(1_000))
    expect(drop).not.toHaveBeenCalled()
    const stream = new PassThrough()
    const answers = watch(readBody({ stream, drop }, limits(1_000)))
    stream.write(Buffer.alloc(101))
    await turn()
    expect(answers).toEqual([{ kind: 'body-too-large' }])
    expect(drop).toHaveBeenCalledOnce()
  })
})

describe('a host that reads the body in one piece', () => {
  const whole = vi.fn(async () => new Uint8Array(bytes).buffer)
  const limits = (): BodyLimits => ({ maxBytes: bytes.length, unread: new UnreadBodies(limitsOfUnread) })

  it('is read by the host where the length was declared, and the stream is left alone', async () => {
    const stream = webStream([])
    expect(await readBody({ stream, whole }, limits(), bytes.length)).toEqual({ value })
    expect(stream.locked).toBe(false)
  })

  it('does not access the stream, which is expensive on some hosts', async () => {
    const access = vi.fn(() => webStream([bytes]))
    const body = {
      whole,
      get stream() {
        return access()
      },
    }
    expect(await readBody(body, limits(), bytes.length)).toEqual({ value })
    expect(access).not.toHaveBeenCalled()
  })

  it('is read from the stream where it was not, and counted as it comes', async () => {
    whole.mockClear()
    expect(await readBody({ stream: webStream([bytes]), whole }, limits())).toEqual({ value })
    expect(whole).not.toHaveBeenCalled()
  })

  it('is limited too', async () => {
    const longer = async (): Promise<ArrayBuffer> => new Uint8Array(bytes.length + 1).fill(0x20).buffer
    expect(await readBody({ stream: null, whole: longer }, limits(), bytes.length)).toEqual({ kind: 'body-too-large' })
  })

  it('is given up when the time is over, and not a millisecond before', async () => {
    const answers = watch(readBody({ stream: null, whole: () => new Promise(() => {}) }, limits(), bytes.length))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(answers).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
  })

  it('that fails later, after it was given up, harms nothing', async () => {
    const fails: ((error: Error) => void)[] = []
    const hanging = () => new Promise<ArrayBuffer>((_, reject) => fails.push(reject))
    const answers = watch(readBody({ stream: null, whole: hanging }, limits(), bytes.length))
    await vi.advanceTimersByTimeAsync(5_000)
    for (const fail of fails) fail(new Error('ECONNRESET'))
    await turn()
    expect(answers).toEqual([{ kind: 'body-too-slow' }])
  })

  it.each([
    ['drained, where something else has read it', new TypeError('Body is unusable'), 'body-already-read'],
    ['drained, where that one is of another realm', runInNewContext('new TypeError("used")'), 'body-already-read'],
    ['aborted, where it breaks off', new Error('ECONNRESET'), 'body-aborted'],
  ])('finds it %s', async (_, error, kind) => {
    expect(await readBody({ stream: null, whole: () => Promise.reject(error) }, limits(), bytes.length)).toEqual({
      kind,
    })
  })
})

describe('a body that a parser came to first', () => {
  it('may be text, a Buffer, bytes or an ArrayBuffer, and is parsed', async () => {
    const copy = new Uint8Array(bytes)
    for (const parsed of [text, bytes, copy, copy.buffer]) expect(await read({ parsed })).toEqual({ value })
  })

  it.each(['Uint8Array.from(bytes)', 'Uint8Array.from(bytes).buffer'])('may be of another realm: %s', async (made) => {
    const parsed: unknown = runInNewContext(made, { bytes: [...bytes] })
    expect(parsed instanceof Uint8Array || parsed instanceof ArrayBuffer).toBe(false)
    expect(await read({ parsed })).toEqual({ value })
  })

  it('may be a part of a larger buffer', async () => {
    const larger = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')])
    expect(await read({ parsed: larger.subarray(2, 2 + bytes.length) })).toEqual({ value })
  })

  it('is malformed where its bytes were given away', async () => {
    const given = new Uint8Array(bytes)
    structuredClone(given, { transfer: [given.buffer] })
    expect(await read({ parsed: given })).toEqual({ kind: 'malformed' })
  })

  it('may be an object, which is passed on as it is', async () => {
    const parsed = { approvalId: 'req_1' }
    const found = await read({ parsed })
    expect('value' in found && found.value).toBe(parsed)
  })

  it('passes nothing on as nothing', async () => {
    expect(await read({ parsed: undefined })).toEqual({ value: undefined })
    expect(await read({ parsed: null })).toEqual({ value: null })
  })

  it.each([
    ['text', text],
    ['bytes', bytes],
  ])('is limited where it is %s', async (_, parsed) => {
    expect(await read({ parsed }, bytes.length + 1)).toEqual({ value })
    expect(await read({ parsed }, bytes.length)).toEqual({ value })
    expect(await read({ parsed }, bytes.length - 1)).toEqual({ kind: 'body-too-large' })
  })

  it('is malformed where it is text and no JSON, or starts with a byte order mark', async () => {
    for (const parsed of ['', '{', `\uFEFF${text}`, Buffer.from([0xff])]) {
      expect(await read({ parsed })).toEqual({ kind: 'malformed' })
    }
  })
})

describe('a body that is not there', () => {
  it('was read already if the host reports that', async () => {
    expect(await read({ alreadyRead: true })).toEqual({ kind: 'body-already-read' })
  })

  it('is malformed where the request never had one', async () => {
    expect(await read({ stream: null })).toEqual({ kind: 'malformed' })
  })
})

function webStream(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

function halves(whole: Buffer): readonly Buffer[] {
  const middle = Math.floor(whole.length / 2)
  return [whole.subarray(0, middle), whole.subarray(middle)]
}

/** The answer, once it is there. */
function watch<Answer>(promise: Answer | Promise<Answer>): readonly Answer[] {
  const answers: Answer[] = []
  void Promise.resolve(promise).then((answer) => answers.push(answer)) // readBody never rejects
  return answers
}
