import type { Readable } from 'node:stream'
import type { Refusal } from '../model/outcome.js'
import { readUtf8 } from '../util/json.js'
import type { UnreadBodies } from './unread-bodies.js'

/**
 * The body of a request, as the host left it: a stream that nobody read, what a parser made of it, or nothing because
 * something else read it. Since nothing signs the bytes, every form is as good.
 */
export type CallbackBody =
  | {
      readonly stream: Readable | ReadableStream<Uint8Array> | null
      /** Reads the same body in one piece, where the host does that better. Asked only for a declared length within the limit. */
      readonly whole?: (() => Promise<ArrayBuffer>) | undefined
    }
  | { readonly parsed: unknown }
  | { readonly alreadyRead: true }

export interface BodyLimits {
  readonly maxBytes: number
  /** Bounds how many bodies are waited for, and for how long. */
  readonly unread: UnreadBodies
}

/**
 * The JSON value of a body, or why there is none. Reads one chunk past the limit at the most; never waits for a stream
 * that is over. `lengthKnown`: a length within the limit was declared, so the host itself ends the body there.
 */
export function readBody(
  body: CallbackBody,
  limits: BodyLimits,
  lengthKnown = false,
): Parsed | Refusal | Promise<Parsed | Refusal> {
  if ('alreadyRead' in body) return { kind: 'body-already-read' }
  if ('parsed' in body) return parse(readParsed(body.parsed), limits)
  return readUnread(body, limits, lengthKnown).then((read) => parse(read, limits))
}

/** A body that was JSON. */
export interface Parsed {
  readonly value: unknown
}

function parse(read: Uint8Array | Parsed | Refusal, { maxBytes }: BodyLimits): Parsed | Refusal {
  if (!(read instanceof Uint8Array)) return read
  if (read.byteLength > maxBytes) return { kind: 'body-too-large' }
  try {
    const text = readUtf8(read)
    return text === null ? { kind: 'malformed' } : { value: JSON.parse(text) }
  } catch {
    return { kind: 'malformed' }
  }
}

function readParsed(parsed: unknown): Uint8Array | Parsed {
  if (typeof parsed === 'string') return Buffer.from(parsed)
  if (parsed instanceof ArrayBuffer) return Buffer.from(parsed)
  return parsed instanceof Uint8Array ? parsed : { value: parsed }
}

function readUnread(
  body: Extract<CallbackBody, { stream: unknown }>,
  limits: BodyLimits,
  lengthKnown: boolean,
): Promise<Uint8Array | Refusal> {
  if (lengthKnown && body.whole !== undefined) return readWhole(body.whole, limits)
  const { stream } = body
  if (stream === null) return Promise.resolve(new Uint8Array())
  return 'getReader' in stream ? readWeb(stream, limits) : readNode(stream, limits)
}

function readWhole(whole: () => Promise<ArrayBuffer>, { unread }: BodyLimits): Promise<Uint8Array | Refusal> {
  return new Promise((resolve) => {
    const finish = (read: Uint8Array | Refusal): void => {
      disarm()
      resolve(read)
    }
    // A TypeError is the Fetch standard's word for a body that something else has read.
    const fail = (error: unknown): void =>
      finish({ kind: error instanceof TypeError ? 'body-already-read' : 'body-aborted' })
    const disarm = unread.start(() => finish({ kind: 'body-too-slow' }))
    try {
      whole().then((bytes) => finish(Buffer.from(bytes)), fail)
    } catch (error) {
      fail(error)
    }
  })
}

function readNode(stream: Readable, { maxBytes, unread }: BodyLimits): Promise<Uint8Array | Refusal> {
  if (stream.readableDidRead) return Promise.resolve({ kind: 'body-already-read' })
  // An empty body can end without having been read.
  if (stream.readableEnded) return Promise.resolve(new Uint8Array())
  if (stream.destroyed) return Promise.resolve({ kind: 'body-aborted' })
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let size = 0
    const finish = (read: Uint8Array | Refusal): void => {
      disarm()
      stream.off('data', onData).off('end', onEnd).off('close', onAbort)
      // What comes after a refusal is nobody's: the error listener stays, so that a late reset is no crash.
      stream.pause()
      resolve(read)
    }
    const onData = (chunk: Uint8Array | string): void => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      size += bytes.byteLength
      if (size > maxBytes) finish({ kind: 'body-too-large' })
      else chunks.push(bytes)
    }
    const onEnd = (): void => finish(joined(chunks, size))
    const onAbort = (): void => finish({ kind: 'body-aborted' })
    const disarm = unread.start(() => finish({ kind: 'body-too-slow' }))
    stream.on('error', onAbort).on('close', onAbort).on('end', onEnd).on('data', onData)
  })
}

async function readWeb(
  stream: ReadableStream<Uint8Array>,
  { maxBytes, unread }: BodyLimits,
): Promise<Uint8Array | Refusal> {
  if (stream.locked) return { kind: 'body-already-read' }
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  let tooSlow = false
  const stop = (): void => void reader.cancel().catch(() => {}) // a source that fails while being cancelled is over all the same
  const disarm = unread.start(() => {
    tooSlow = true
    stop()
  })
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      // A stream that somebody made by hand may hold anything.
      if (!ArrayBuffer.isView(next.value)) {
        stop()
        return { kind: 'malformed' }
      }
      size += next.value.byteLength
      if (size > maxBytes) {
        stop()
        return { kind: 'body-too-large' }
      }
      chunks.push(next.value)
    }
    return tooSlow ? { kind: 'body-too-slow' } : joined(chunks, size)
  } catch {
    return { kind: tooSlow ? 'body-too-slow' : 'body-aborted' }
  } finally {
    disarm()
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size)
}
